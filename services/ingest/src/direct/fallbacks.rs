//! What the Broker was given in place of the database: counted, and recorded now and then once the database answers again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use store::fallbacks::Fallbacks;

/// Recorded no more often than this: while the Broker takes a share of the load, there are some at any time.
const EVERY: Duration = Duration::from_secs(10);

/// Those that are not recorded yet.
#[derive(Debug)]
pub(super) struct Unrecorded {
    begun: Instant,
    noted: Mutex<Option<Fallbacks>>,
    /// Milliseconds since `begun` before which nothing is recorded; [`u64::MAX`] where nothing is noted.
    due: AtomicU64,
}

impl Default for Unrecorded {
    fn default() -> Self {
        Self { begun: Instant::now(), noted: Mutex::default(), due: AtomicU64::new(u64::MAX) }
    }
}

impl Unrecorded {
    /// The Broker was given a payload.
    pub(super) fn note(&self, at: Timestamp) {
        self.add(Fallbacks { at, payloads: 1 });
        // The first is recorded with the next commit; what is due already stays so.
        let _ = self.due.compare_exchange(u64::MAX, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn add(&self, more: Fallbacks) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let Fallbacks { at, payloads } = noted.unwrap_or(Fallbacks { payloads: 0, ..more });
        *noted = Some(Fallbacks { at: at.max(more.at), payloads: payloads + more.payloads });
    }

    /// What is to be recorded by now.
    pub(super) fn due(&self) -> Option<Fallbacks> {
        self.due_at(self.begun.elapsed())
    }

    fn due_at(&self, elapsed: Duration) -> Option<Fallbacks> {
        let due = self.due.load(Ordering::Relaxed);
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let next = u64::try_from((elapsed + EVERY).as_millis()).unwrap_or(u64::MAX);
        if now < due || self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return None;
        }
        self.take()
    }

    /// What is not recorded.
    pub(super) fn take(&self) -> Option<Fallbacks> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Those were not recorded after all.
    pub(super) fn give_back(&self, fallbacks: Fallbacks) {
        self.add(fallbacks);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use store::fallbacks::Fallbacks;

    use super::Unrecorded;

    #[test]
    fn the_first_is_recorded_at_once_and_the_others_together() {
        let unrecorded = Unrecorded::default();
        let (at, second) = (|second| Timestamp::new(second, 0).unwrap(), Duration::from_secs);
        assert_eq!(unrecorded.due_at(second(1)), None);
        unrecorded.note(at(1));
        assert_eq!(unrecorded.due_at(second(1)), Some(Fallbacks { at: at(1), payloads: 1 }));
        unrecorded.note(at(3));
        unrecorded.note(at(2));
        assert_eq!(unrecorded.due_at(second(10)), None);
        let two = Fallbacks { at: at(3), payloads: 2 };
        assert_eq!(unrecorded.due_at(second(11)), Some(two));
        unrecorded.give_back(two);
        assert_eq!(unrecorded.take(), Some(two));
    }
}
