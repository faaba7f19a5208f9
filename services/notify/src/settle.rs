//! Decides what is recorded of an attempt.

use event_model::alert::NotificationStatus;
use jiff::{SignedDuration, Timestamp};
use receivers::Outcome;
use store::notifications::{Fate, Queued, Settled};

use crate::plan::PlannedMessage;
use crate::retry::next_attempt;

/// What a decision depends on beside the attempt itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The time after the attempt.
    pub(crate) now: Timestamp,
    /// The time between two ticks.
    pub(crate) tick: SignedDuration,
    /// Whether the receiver needs repeats while an alert fires.
    pub(crate) needs_repeats: bool,
    /// The receivers of what this one gave up.
    pub(crate) fallback: &'a [String],
}

/// What an attempt means for every notification that it was made for.
pub(crate) fn settle(planned: &PlannedMessage<'_>, outcome: &Outcome, terms: &Terms<'_>) -> Vec<Settled> {
    match outcome {
        Outcome::Delivered => delivered(planned, terms),
        Outcome::Retry { reason, after } => {
            let main = planned.main;
            let next = next_attempt(main.id, main.attempts + 1, terms.now, *after);
            let next = if main.repeating { next.min(half_a_tick_later(terms)) } else { next };
            if next >= main.give_up_at {
                return failed(planned, reason, terms);
            }
            let fate = Fate::Retry { next, error: reason.clone() };
            covered(planned).map(|one| settled(one, fate.clone(), &[])).collect()
        }
        Outcome::NoUse { reason } => failed(planned, reason, terms),
    }
}

/// What needs no message. The retraction of what was given up here goes to the receivers that got that instead.
pub(crate) fn dropped(one: &Queued, fallback: &[String]) -> Settled {
    let given_up = one.retracted.is_some_and(|back| back.status == Some(NotificationStatus::Failed));
    settled(one, Fate::Superseded, if given_up && !one.is_fallback { fallback } else { &[] })
}

/// What was sent and is repeated no more.
pub(crate) fn ended(one: &Queued) -> Settled {
    settled(one, Fate::Ended, &[])
}

fn delivered(planned: &PlannedMessage<'_>, terms: &Terms<'_>) -> Vec<Settled> {
    let main = planned.main;
    let fate = if terms.needs_repeats && planned.change.is_firing() {
        Fate::Repeating { next: half_a_tick_later(terms) }
    } else {
        Fate::Delivered
    };
    // A receiver that got the firing as the fallback gets its end too.
    let began_elsewhere = main.firing.is_some_and(|firing| firing.status == Some(NotificationStatus::Failed));
    let fallback = if began_elsewhere && !main.is_fallback { terms.fallback } else { &[] };
    let mut all = vec![settled(main, fate, fallback)];
    all.extend(planned.merged.iter().map(|one| settled(one, Fate::Superseded, &[])));
    all.extend(planned.ends.iter().map(|one| ended(one)));
    all
}

fn failed(planned: &PlannedMessage<'_>, reason: &str, terms: &Terms<'_>) -> Vec<Settled> {
    let fate = Fate::Failed { error: reason.to_owned() };
    covered(planned)
        .map(|one| settled(one, fate.clone(), if one.is_fallback { &[] } else { terms.fallback }))
        .collect()
}

fn covered<'a>(planned: &PlannedMessage<'a>) -> impl Iterator<Item = &'a Queued> {
    planned.merged.clone().into_iter().chain([planned.main])
}

/// Certainly due at the next tick, and not before half of it: the clocks of ticks and of rows are not the same.
fn half_a_tick_later(terms: &Terms<'_>) -> Timestamp {
    terms.now.checked_add(terms.tick / 2).unwrap_or(terms.now)
}

fn settled(one: &Queued, fate: Fate, fallback: &[String]) -> Settled {
    Settled { id: one.id, transition: one.transition.id, fate, fallback: fallback.to_vec() }
}
