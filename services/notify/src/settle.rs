//! Decides what is recorded of an attempt.

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
    /// The receivers of what this one does not deliver.
    pub(crate) fallback: &'a [String],
    /// How long it is tried before they are notified too.
    pub(crate) fallback_after: SignedDuration,
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

/// Whether the fallback is to be notified of `one` now: it has waited for long enough, or ends or retracts what the fallback was
/// notified of.
pub(crate) fn falls_back(one: &Queued, is_dropped: bool, now: Timestamp) -> bool {
    let heard_of_it =
        one.firing.is_some_and(|firing| firing.fell_back) || one.retracted.is_some_and(|back| back.fell_back);
    let has_waited = !is_dropped && one.fallback_at.is_some_and(|at| at <= now);
    !one.is_fallback && !one.fell_back && (heard_of_it || has_waited)
}

/// What the fallback is notified of too.
pub(crate) fn fell_back(one: &Queued, fallback: &[String]) -> Settled {
    settled(one, Fate::FellBack, fallback)
}

/// What the receiver was notified of already needs no message.
pub(crate) fn known(planned: &PlannedMessage<'_>) -> Vec<Settled> {
    let mut settled: Vec<_> = planned.merged.iter().chain([&planned.main]).map(|one| dropped(one)).collect();
    settled.extend(planned.ends.iter().map(|one| ended(one)));
    settled
}

/// What needs no message.
pub(crate) fn dropped(one: &Queued) -> Settled {
    settled(one, Fate::Superseded, &[])
}

/// What was sent and is repeated no more.
pub(crate) fn ended(one: &Queued) -> Settled {
    settled(one, Fate::Ended, &[])
}

fn delivered(planned: &PlannedMessage<'_>, terms: &Terms<'_>) -> Vec<Settled> {
    let main = planned.main;
    let fate = if terms.needs_repeats && planned.change.is_firing() {
        let has_fallback = !main.is_fallback && !main.fell_back && !terms.fallback.is_empty();
        let fallback_at = terms.now.checked_add(terms.fallback_after).ok().filter(|_| has_fallback);
        Fate::Repeating { next: half_a_tick_later(terms), fallback_at }
    } else {
        Fate::Delivered
    };
    let mut all = vec![settled(main, fate, &[])];
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
