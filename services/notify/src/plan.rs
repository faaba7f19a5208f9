//! Decides what is told of one conversation, and what needs no message.
//!
//! ```text
//! firing, resolved                      both untold      one message: it fired and resolved
//! firing, its retraction                never sent       nothing
//! firing, its retraction                perhaps sent     one message: it is retracted
//! a retraction, the same at another     told before      nothing: people know it; a receiver that forgets hears the
//!   time (late data moved it)                            new time
//! repeating, anything later                              the repetition ends when that is delivered
//! ```

use jiff::Timestamp;
use receivers::News;
use store::notifications::{Queued, Status, TakenBack, TransitionKind};

/// What is to be done with one conversation.
#[derive(Debug, Default, PartialEq)]
pub struct Plan<'a> {
    /// Told already, and told no more.
    pub ended: Vec<&'a Queued>,
    /// What needs no message.
    pub dropped: Vec<&'a Queued>,
    /// What is told, in this order.
    pub tellings: Vec<Telling<'a>>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling<'a> {
    /// The notification that gives the message its id.
    pub main: &'a Queued,
    /// Notifications whose news this message tells too.
    pub merged: Vec<&'a Queued>,
    /// Repetitions that end when this message is delivered.
    pub ends: Vec<&'a Queued>,
    /// What is told.
    pub news: News,
    /// People know it already, but for the time: only a receiver that forgets is told.
    pub known: bool,
}

/// Plans a conversation at `now`. `queued` is in the order of its transitions.
pub fn plan(queued: &[Queued], now: Timestamp) -> Plan<'_> {
    let mut plan = Plan::default();
    let (void, open): (Vec<_>, Vec<_>) = queued.iter().partition(|one| is_void(one, queued));
    plan.dropped = void;
    let (repeating, pending): (Vec<_>, Vec<_>) = open.into_iter().partition(|one| one.repeating);
    let moved = moved(&pending);
    for one in pending {
        if moved.iter().any(|(retraction, _)| retraction.id == one.id) {
            continue;
        }
        let retraction =
            moved.iter().find(|(_, again)| again.id == one.id).map(|(retraction, _)| *retraction);
        match news(one) {
            Some(news) => plan.tell(one, news, retraction),
            None => plan.dropped.push(one),
        }
    }
    plan.end_repetitions(repeating, now);
    plan
}

impl<'a> Plan<'a> {
    fn tell(&mut self, main: &'a Queued, news: News, retraction: Option<&'a Queued>) {
        let merged = match (self.tellings.last(), news) {
            (Some(Telling { news: News::Firing { since }, known: false, .. }), News::Resolved { at, .. }) => {
                Some(News::Passed { since: *since, at })
            }
            (Some(Telling { news: News::TakenBack { .. }, .. }), News::TakenBack { .. }) => Some(news),
            _ => None,
        };
        match (merged, self.tellings.last_mut()) {
            (Some(news), Some(last)) => {
                last.merged.push(last.main);
                last.merged.extend(retraction);
                last.main = main;
                last.news = news;
            }
            _ => {
                let known = retraction.and_then(|one| one.retracted).is_some_and(|back| surely_told(&back));
                let merged = retraction.into_iter().collect();
                self.tellings.push(Telling { main, merged, ends: Vec::new(), news, known });
            }
        }
    }

    fn end_repetitions(&mut self, mut repeating: Vec<&'a Queued>, now: Timestamp) {
        if let Some(first) = self.tellings.first_mut() {
            first.ends = repeating;
            return;
        }
        let newest = repeating.pop();
        self.ended.extend(repeating);
        match newest {
            Some(newest) if newest.over => self.ended.push(newest),
            Some(newest) if newest.next_attempt_at <= now => {
                if let Some(news) = news(newest) {
                    self.tell(newest, news, None);
                }
            }
            _ => {}
        }
    }
}

/// Whether a notification and the retraction of its transition cancel each other out, or a retraction has its say.
fn is_void(one: &Queued, queued: &[Queued]) -> bool {
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
            let same = |back: TakenBack| back.kind == again.transition.kind && was_told(&back);
            retraction.retracted.is_some_and(same) && pairs.iter().all(|(taken, _)| taken.id != retraction.id)
        };
        let retraction = pending.iter().find(retracts_the_same).copied();
        pairs.extend(retraction.map(|retraction| (retraction, *again)));
    }
    pairs
}

/// What a notification has to tell on its receiver; `None`: nothing.
fn news(one: &Queued) -> Option<News> {
    let at = one.transition.at;
    let since = one.firing.map(|firing| firing.at);
    match one.transition.kind {
        TransitionKind::Firing => Some(News::Firing { since: at }),
        TransitionKind::Resolved => Some(News::Resolved { since, at }),
        TransitionKind::Retracted => {
            let back = one.retracted.filter(was_told)?;
            Some(match (back.kind, since) {
                (TransitionKind::Resolved, Some(_)) => News::StillFiring { since, at: back.at },
                _ => News::TakenBack { at: back.at },
            })
        }
    }
}

/// What is superseded was told within another message; what never was told is dropped with its retraction.
const fn was_told(back: &TakenBack) -> bool {
    !matches!(back.status, None | Some(Status::Failed))
}

const fn surely_told(back: &TakenBack) -> bool {
    matches!(back.status, Some(Status::Delivered | Status::Repeating | Status::Superseded))
}

#[cfg(test)]
mod tests;
