//! Decides what is recorded of an attempt.

use jiff::{SignedDuration, Timestamp};
use receivers::Outcome;
use store::notifications::{Fate, Queued, Settled, Status};

use crate::plan::Telling;
use crate::retry::next_attempt;

/// What a decision depends on beside the attempt itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The time after the attempt.
    pub(crate) now: Timestamp,
    /// The time between two ticks.
    pub(crate) tick: SignedDuration,
    /// Whether the receiver forgets what is not told again.
    pub(crate) forgets: bool,
    /// The receivers that are told of what this one gave up.
    pub(crate) fallback: &'a [String],
}

/// What an attempt means for every notification that it was made for.
pub(crate) fn settle(telling: &Telling<'_>, outcome: &Outcome, terms: &Terms<'_>) -> Vec<Settled> {
    match outcome {
        Outcome::Delivered => delivered(telling, terms),
        Outcome::Retry { reason, after } => {
            let main = telling.main;
            let next = next_attempt(main.id, main.attempts + 1, terms.now, *after);
            let next = if main.repeating { next.min(half_a_tick_later(terms)) } else { next };
            if next >= main.give_up_at {
                return failed(telling, reason, terms);
            }
            let fate = Fate::Retry { next, error: reason.clone() };
            told(telling).map(|one| settled(one, fate.clone(), &[])).collect()
        }
        Outcome::NoUse { reason } => failed(telling, reason, terms),
    }
}

/// What needs no message. What retracts that which was given up here is told where that was told.
pub(crate) fn dropped(one: &Queued, fallback: &[String]) -> Settled {
    let given_up = one.retracted.is_some_and(|back| back.status == Some(Status::Failed));
    settled(one, Fate::Superseded, if given_up && !one.is_fallback { fallback } else { &[] })
}

/// What was told and is told no more.
pub(crate) fn ended(one: &Queued) -> Settled {
    settled(one, Fate::Ended, &[])
}

fn delivered(telling: &Telling<'_>, terms: &Terms<'_>) -> Vec<Settled> {
    let main = telling.main;
    let fate = if terms.forgets && telling.news.is_firing() {
        Fate::Repeating { next: half_a_tick_later(terms) }
    } else {
        Fate::Delivered
    };
    // Who was told by the fallback that it fires wants to hear there that it is over.
    let began_elsewhere = main.firing.is_some_and(|firing| firing.status == Some(Status::Failed));
    let fallback = if began_elsewhere && !main.is_fallback { terms.fallback } else { &[] };
    let mut all = vec![settled(main, fate, fallback)];
    all.extend(telling.merged.iter().map(|one| settled(one, Fate::Superseded, &[])));
    all.extend(telling.ends.iter().map(|one| ended(one)));
    all
}

fn failed(telling: &Telling<'_>, reason: &str, terms: &Terms<'_>) -> Vec<Settled> {
    let fate = Fate::Failed { error: reason.to_owned() };
    told(telling)
        .map(|one| settled(one, fate.clone(), if one.is_fallback { &[] } else { terms.fallback }))
        .collect()
}

fn told<'a>(telling: &Telling<'a>) -> impl Iterator<Item = &'a Queued> {
    telling.merged.clone().into_iter().chain([telling.main])
}

/// Certainly due at the next tick, and not before half of it: the clocks of ticks and of rows are not the same.
fn half_a_tick_later(terms: &Terms<'_>) -> Timestamp {
    terms.now.checked_add(terms.tick / 2).unwrap_or(terms.now)
}

fn settled(one: &Queued, fate: Fate, fallback: &[String]) -> Settled {
    Settled { id: one.id, transition: one.transition.id, fate, fallback: fallback.to_vec() }
}
