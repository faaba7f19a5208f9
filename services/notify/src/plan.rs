//! Decides which messages one notification group needs.
//!
//! ```text
//! firing, resolved                      both unsent      one message: it fired and resolved
//! firing, its retraction                never sent       nothing
//! firing, its retraction                perhaps sent     one message: it is retracted
//! a retraction, the same at another     sent before      nothing; a receiver that needs repeats gets the
//!   time (late data moved it)                            new time
//! repeating, anything later                              the repetition ends when that is delivered
//! firing, resolved, over for long       never sent       nothing
//! the end of what was only counted                       nothing: nobody knows it here
//! ```

use event_model::alert::{NotificationStatus, TransitionKind};
use jiff::Timestamp;
use receivers::AlertChange;
use store::notifications::{Queued, RetractedNotification};

/// What is to be done with one group.
#[derive(Debug, Default, PartialEq)]
pub struct Plan<'a> {
    /// Sent already, and repeated no more.
    pub ended: Vec<&'a Queued>,
    /// What needs no message.
    pub dropped: Vec<&'a Queued>,
    /// The messages, in this order.
    pub messages: Vec<PlannedMessage<'a>>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedMessage<'a> {
    /// The notification that gives the message its id.
    pub main: &'a Queued,
    /// Notifications whose change this message includes.
    pub merged: Vec<&'a Queued>,
    /// Repetitions that end when this message is delivered.
    pub ends: Vec<&'a Queued>,
    /// What the message says.
    pub change: AlertChange,
    /// The receiver was notified of it already, but for the time: only one that needs repeats gets it.
    pub known: bool,
}

/// Plans a group at `now`; nobody is notified any more of what ended before `oldest_end`. `queued` is in the order of its
/// transitions.
pub fn plan(queued: &[Queued], now: Timestamp, oldest_end: Timestamp) -> Plan<'_> {
    let mut plan = Plan::default();
    let (summaries, queued): (Vec<_>, Vec<_>) = queued.iter().partition(|one| one.summarizes.is_some());
    let (void, open): (Vec<_>, Vec<_>) = queued.iter().copied().partition(|one| is_void(one, &queued));
    plan.dropped = void;
    let (repeating, pending): (Vec<_>, Vec<_>) = open.into_iter().partition(|one| one.repeating);
    let moved = moved(&pending);
    for one in pending {
        if moved.iter().any(|(retraction, _)| retraction.id == one.id) {
            continue;
        }
        let retraction =
            moved.iter().find(|(_, again)| again.id == one.id).map(|(retraction, _)| *retraction);
        match alert_change(one) {
            Some(change) => plan.add(one, change, retraction),
            None => plan.dropped.push(one),
        }
    }
    plan.end_repetitions(repeating, now);
    plan.drop_history(oldest_end);
    plan.summarize(&summaries, now);
    plan
}

impl PlannedMessage<'_> {
    /// Whether the receiver is first notified of the alert by it. A repeat and a further attempt do not.
    pub fn is_a_beginning(&self) -> bool {
        let begins = matches!(
            self.change,
            AlertChange::Firing { .. } | AlertChange::Passed { .. } | AlertChange::StillFiring { .. }
        );
        begins && !self.known && never_sent(self.main)
    }
}

impl<'a> Plan<'a> {
    fn add(&mut self, main: &'a Queued, change: AlertChange, retraction: Option<&'a Queued>) {
        let merged = match (self.messages.last(), change) {
            (
                Some(PlannedMessage { change: AlertChange::Firing { since }, known: false, .. }),
                AlertChange::Resolved { at, .. },
            ) => Some(AlertChange::Passed { since: *since, at }),
            (
                Some(PlannedMessage { change: AlertChange::Retracted { .. }, .. }),
                AlertChange::Retracted { .. },
            ) => Some(change),
            _ => None,
        };
        match (merged, self.messages.last_mut()) {
            (Some(change), Some(last)) => {
                last.merged.push(last.main);
                last.merged.extend(retraction);
                last.main = main;
                last.change = change;
            }
            _ => {
                let known = retraction.and_then(|one| one.retracted).is_some_and(|back| surely_sent(&back));
                let merged = retraction.into_iter().collect();
                self.messages.push(PlannedMessage { main, merged, ends: Vec::new(), change, known });
            }
        }
    }

    /// An alert that was over long before anybody could be told is history.
    fn drop_history(&mut self, oldest_end: Timestamp) {
        let is_history = |message: &PlannedMessage<'_>| {
            let is_old = matches!(message.change, AlertChange::Passed { at, .. } if at < oldest_end);
            is_old
                && message.ends.is_empty()
                && message.merged.iter().chain([&message.main]).all(|one| never_sent(one))
        };
        let (history, messages) = std::mem::take(&mut self.messages).into_iter().partition(is_history);
        self.messages = messages;
        let history: Vec<PlannedMessage<'a>> = history;
        self.dropped
            .extend(history.into_iter().flat_map(|message| message.merged.into_iter().chain([message.main])));
    }

    /// Messages that stand for many alerts are no part of this one's story.
    fn summarize(&mut self, summaries: &[&'a Queued], now: Timestamp) {
        for summary in summaries.iter().copied().filter(|one| one.next_attempt_at <= now) {
            let change =
                AlertChange::More { count: summary.summarizes.unwrap_or(1), at: summary.transition.at };
            let (merged, ends) = (Vec::new(), Vec::new());
            self.messages.push(PlannedMessage { main: summary, merged, ends, change, known: false });
        }
    }

    fn end_repetitions(&mut self, mut repeating: Vec<&'a Queued>, now: Timestamp) {
        if let Some(first) = self.messages.first_mut() {
            first.ends = repeating;
            return;
        }
        let newest = repeating.pop();
        self.ended.extend(repeating);
        match newest {
            Some(newest) if newest.over => self.ended.push(newest),
            Some(newest) if newest.next_attempt_at <= now => {
                if let Some(change) = alert_change(newest) {
                    self.add(newest, change, None);
                }
            }
            _ => {}
        }
    }
}

/// Whether a notification and the retraction of its transition cancel each other out, or a retraction has its say.
fn is_void(one: &Queued, queued: &[&Queued]) -> bool {
    let is_retracted_by = |untrue: &Queued, retraction: &Queued| {
        retraction.retracted.is_some_and(|back| back.transition == untrue.transition.id)
    };
    let retracted = queued.iter().any(|other| is_retracted_by(one, other));
    let retracts_what_was_never_sent =
        queued.iter().any(|other| is_retracted_by(other, one) && never_sent(other));
    (retracted && !one.repeating) || retracts_what_was_never_sent
}

/// An attempt that failed may have arrived all the same, and so may one whose process died.
const fn never_sent(one: &Queued) -> bool {
    one.attempts == 0 && !one.interrupted && !one.repeating
}

/// Pairs of a retraction and a transition that says the same of another time.
fn moved<'a>(pending: &[&'a Queued]) -> Vec<(&'a Queued, &'a Queued)> {
    let mut pairs: Vec<(&Queued, &Queued)> = Vec::new();
    for again in pending {
        let retracts_the_same = |retraction: &&&'a Queued| {
            let same = |back: RetractedNotification| back.kind == again.transition.kind && was_sent(&back);
            retraction.retracted.is_some_and(same) && pairs.iter().all(|(taken, _)| taken.id != retraction.id)
        };
        let retraction = pending.iter().find(retracts_the_same).copied();
        pairs.extend(retraction.map(|retraction| (retraction, *again)));
    }
    pairs
}

/// What a notification says on its receiver; `None`: nothing.
fn alert_change(one: &Queued) -> Option<AlertChange> {
    let at = one.transition.at;
    let since = one.firing.map(|firing| firing.at);
    if one.firing.is_some_and(|firing| firing.status == Some(NotificationStatus::Summarized)) {
        return None;
    }
    match one.transition.kind {
        TransitionKind::Firing => Some(AlertChange::Firing { since: at }),
        TransitionKind::Resolved => Some(AlertChange::Resolved { since, at }),
        TransitionKind::Retracted => {
            let back = one.retracted.filter(was_sent)?;
            Some(match (back.kind, since) {
                (TransitionKind::Resolved, Some(_)) => AlertChange::StillFiring { since, at: back.at },
                _ => AlertChange::Retracted { at: back.at },
            })
        }
    }
}

/// What is superseded was sent within another message; what never was sent is dropped with its retraction.
const fn was_sent(back: &RetractedNotification) -> bool {
    !matches!(back.status, None | Some(NotificationStatus::Failed | NotificationStatus::Summarized))
}

const fn surely_sent(back: &RetractedNotification) -> bool {
    matches!(
        back.status,
        Some(NotificationStatus::Delivered | NotificationStatus::Repeating | NotificationStatus::Superseded)
    )
}

#[cfg(test)]
mod tests;
