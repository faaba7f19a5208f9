//! Decides which ticks are heartbeats: those before which nothing was sent that still waits.

use jiff::{SignedDuration, Timestamp};
use store::heartbeats::{Earlier, PendingHeartbeat, WaitsFor};

use crate::look::{Look, Queue};

/// What has waited for longer holds up no heartbeat any more.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// What is known at a tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// The time.
    pub(crate) now: Timestamp,
    /// The queues; `None` where they could not be looked at.
    pub(crate) look: Option<&'a Look>,
    /// Whether payloads wait among the dead letters, or on their way from there.
    pub(crate) dead_letters_wait: bool,
    /// Whether a payload was refused since the tick before: it may wait at its sender.
    pub(crate) refused: bool,
}

/// What becomes of the ticks so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The ticks that are heartbeats now.
    pub(crate) heartbeats: Vec<Timestamp>,
    /// The ticks that are none yet.
    pub(crate) pending: Vec<PendingHeartbeat>,
    /// How many of the heartbeats are some only because an hour is over.
    pub(crate) overdue: usize,
}

/// Decides for the ticks that are pending and for the one of now, in order of time: none is a heartbeat before the one that
/// came before it.
///
/// A tick that a later one has overtaken is none: silence was judged without it. Nor is one after a refusal.
pub(crate) fn decide(Earlier { mut pending, newest }: Earlier, known: Known<'_>) -> Decision {
    let now = known.now;
    let is_overtaken = newest.is_some_and(|newest| newest >= now);
    if !is_overtaken && !known.refused && pending.iter().all(|one| one.at != now) {
        pending.push(PendingHeartbeat { at: now, waits_for: WaitsFor::Payloads, ends: None, ends_at: now });
        pending.sort_by_key(|one| one.at);
    }
    let mut decision = Decision::default();
    for mut one in pending {
        let is_through = known.is_through(&mut one);
        let is_overdue = now.duration_since(one.at) >= LONGEST_WAIT;
        if decision.pending.is_empty() && (is_through || is_overdue) {
            decision.overdue += usize::from(!is_through);
            decision.heartbeats.push(one.at);
        } else {
            decision.pending.push(one);
        }
    }
    decision
}

impl Known<'_> {
    /// Whether nothing that was sent before this tick waits any more. Else it is noted what the tick waits for.
    fn is_through(&self, one: &mut PendingHeartbeat) -> bool {
        let Some(look) = self.look else { return false };
        if one.ends.is_none() {
            (one.ends, one.ends_at) = (Some(look.payloads.ends.clone()), self.now);
        }
        let has_passed =
            |ends: &Option<_>, queue: &Queue| ends.as_ref().is_some_and(|ends| queue.has_passed(ends));
        if one.waits_for == WaitsFor::Payloads {
            let is_read = look.caught_up.is_none_or(|caught_up| caught_up >= one.ends_at);
            if !is_read || !has_passed(&one.ends, &look.payloads) {
                return false;
            }
            (one.waits_for, one.ends) = (WaitsFor::DeadLetters, Some(look.dead_letters.ends.clone()));
        }
        has_passed(&one.ends, &look.dead_letters) && !self.dead_letters_wait
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan as _};
    use store::heartbeats::{Earlier, Offsets, PendingHeartbeat};

    use super::{Decision, Known, decide};
    use crate::look::{Look, Queue};

    fn minute(minute: i64) -> Timestamp {
        "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap() + minute.minutes()
    }

    fn queue(end: i64, done: i64) -> Queue {
        let offsets = |offset| Offsets::from([("broker:transform/0".to_owned(), offset)]);
        Queue { ends: offsets(end), done: offsets(done) }
    }

    fn look(payloads: Queue, dead_letters: Queue) -> Look {
        Look { payloads, dead_letters, ..Look::default() }
    }

    /// A tick at this minute.
    fn tick(pending: &[PendingHeartbeat], at: i64, look: &Look, dead_letters_wait: bool) -> Decision {
        decide(earlier(pending), Known { look: Some(look), dead_letters_wait, ..at_minute(at) })
    }

    /// Nothing is known.
    fn at_minute<'a>(minute_of: i64) -> Known<'a> {
        Known { now: minute(minute_of), look: None, dead_letters_wait: false, refused: false }
    }

    #[test]
    fn a_tick_after_a_refusal_is_none_and_those_before_it_are() {
        let first = tick(&[], 5, &look(queue(7, 6), Queue::default()), false);
        let through = look(queue(7, 7), Queue::default());
        let known = Known { look: Some(&through), refused: true, ..at_minute(10) };
        let second = decide(earlier(&first.pending), known);
        assert_eq!((second.heartbeats, second.pending), (vec![minute(5)], vec![]));
        assert_eq!(tick(&[], 15, &through, false).heartbeats, [minute(15)]);
    }

    fn earlier(pending: &[PendingHeartbeat]) -> Earlier {
        Earlier { pending: pending.to_vec(), newest: None }
    }

    #[test]
    fn a_tick_at_which_nothing_waits_is_a_heartbeat_at_once() {
        for look in [Look::default(), look(queue(7, 7), queue(2, 2))] {
            assert_eq!(tick(&[], 5, &look, false).heartbeats, [minute(5)]);
        }
    }

    #[test]
    fn a_tick_is_a_heartbeat_once_what_was_queued_before_it_is_consumed() {
        let first = tick(&[], 5, &look(queue(7, 6), Queue::default()), false);
        assert_eq!((first.heartbeats.len(), first.pending.len()), (0, 1));
        // More came meanwhile, and waits.
        let second = tick(&first.pending, 10, &look(queue(9, 7), Queue::default()), false);
        assert_eq!((second.heartbeats, second.pending[0].at), (vec![minute(5)], minute(10)));
    }

    #[test]
    fn a_payload_that_goes_to_the_dead_letter_topic_still_waits() {
        let first = tick(&[], 5, &look(queue(7, 6), queue(2, 2)), false);
        let second = tick(&first.pending, 10, &look(queue(7, 7), queue(3, 2)), false);
        assert_eq!(second.heartbeats, [], "it is in the topic");
        let third = tick(&second.pending, 15, &look(queue(7, 7), queue(3, 3)), true);
        assert_eq!(third.heartbeats, [], "it is among the dead letters");
        let fourth = tick(&third.pending, 20, &look(queue(8, 7), queue(3, 3)), true);
        assert_eq!(fourth.heartbeats, [], "it was sent back");
        let fifth = tick(&fourth.pending, 25, &look(queue(8, 8), queue(3, 3)), false);
        assert_eq!(fifth.heartbeats, [5, 10, 15, 20, 25].map(minute), "it is stored");
    }

    #[test]
    fn a_partition_that_the_worker_has_not_caught_up_with_since_holds_up_the_tick() {
        let slow = |caught_up| Look { caught_up: Some(caught_up), ..Look::default() };
        let first = tick(&[], 5, &slow(minute(4)), false);
        assert_eq!(first.heartbeats, []);
        let second = tick(&first.pending, 10, &slow(minute(9)), false);
        assert_eq!((second.heartbeats, second.pending.len()), (vec![minute(5)], 1));
    }

    #[test]
    fn what_has_waited_for_an_hour_holds_up_nothing_any_more() {
        let stuck = look(queue(7, 6), Queue::default());
        let mut pending = Vec::new();
        for at in (0..60).step_by(5) {
            let decision = tick(&pending, at, &stuck, false);
            assert_eq!(decision.heartbeats, []);
            pending = decision.pending;
        }
        let decision = tick(&pending, 60, &stuck, false);
        assert_eq!((decision.heartbeats, decision.overdue, decision.pending.len()), (vec![minute(0)], 1, 12));
        // The same where the queues cannot be looked at.
        let known = at_minute(65);
        assert_eq!(decide(earlier(&decision.pending), known).heartbeats, [minute(5)]);
    }

    #[test]
    fn a_tick_that_a_later_heartbeat_has_overtaken_is_none() {
        let known = Known { look: Some(&Look::default()), ..at_minute(5) };
        let overtaken = Earlier { pending: Vec::new(), newest: Some(minute(6)) };
        assert_eq!(decide(overtaken, known), Decision::default());
    }

    #[test]
    fn a_tick_that_another_process_has_left_pending_comes_before_a_later_one() {
        let [five, ten] =
            [5, 10].map(|at| tick(&[], at, &look(queue(7, 6), Queue::default()), false).pending);
        // The one of minute 10 came first to the database; the queues are empty by now.
        let decision = tick(&ten, 5, &look(queue(7, 7), Queue::default()), false);
        assert_eq!(decision.heartbeats, [5, 10].map(minute));
        // And never without it.
        let decision = tick(&five, 10, &look(queue(7, 6), Queue::default()), false);
        assert_eq!((decision.heartbeats.len(), decision.pending.len()), (0, 2));
    }

    #[test]
    fn a_tick_at_which_the_queues_could_not_be_looked_at_waits_for_what_is_found_later() {
        let known = at_minute(0);
        let blind = decide(Earlier::default(), known);
        let found = tick(&blind.pending, 5, &look(queue(7, 6), Queue::default()), false);
        assert_eq!(found.heartbeats, []);
        let through = tick(&found.pending, 10, &look(queue(8, 7), Queue::default()), false);
        assert_eq!(through.heartbeats, [minute(0), minute(5)]);
    }
}
