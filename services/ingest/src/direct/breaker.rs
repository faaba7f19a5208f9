//! Whether the database is worth a try: a slow one must not be made slower.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// After a failure one payload of so many tries the database,
const ONE_IN: u64 = 100;
/// and one in this time at least.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Remembers whether the last try failed.
#[derive(Debug)]
pub(super) struct Breaker {
    begun: Instant,
    is_open: AtomicBool,
    /// Payloads since it opened.
    passed_by: AtomicU64,
    /// Milliseconds since `begun` at which a payload last tried.
    tried_at: AtomicU64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            is_open: AtomicBool::new(false),
            passed_by: AtomicU64::new(0),
            tried_at: AtomicU64::new(0),
        }
    }
}

impl Breaker {
    /// Whether this payload is to try the database.
    pub(super) fn admits(&self) -> bool {
        self.admits_at(self.begun.elapsed())
    }

    fn admits_at(&self, elapsed: Duration) -> bool {
        if !self.is_open.load(Ordering::Relaxed) {
            return true;
        }
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let tried_at = self.tried_at.load(Ordering::Relaxed);
        let is_one_in = (self.passed_by.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(ONE_IN);
        let is_time = u128::from(now.saturating_sub(tried_at)) >= AT_LEAST_EVERY.as_millis();
        (is_one_in || is_time)
            && self.tried_at.compare_exchange(tried_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes that the database took a payload; whether it had not before.
    pub(super) fn succeeded(&self) -> bool {
        self.is_open.load(Ordering::Relaxed) && self.is_open.swap(false, Ordering::Relaxed)
    }

    /// Notes that it did not; whether it had before.
    pub(super) fn failed(&self) -> bool {
        self.failed_at(self.begun.elapsed())
    }

    fn failed_at(&self, elapsed: Duration) -> bool {
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.tried_at.fetch_max(now, Ordering::Relaxed);
        !self.is_open.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Breaker;

    #[test]
    fn after_a_failure_one_in_a_hundred_and_one_a_second_tries() {
        let breaker = Breaker::default();
        let at = Duration::from_millis;
        assert!(breaker.admits_at(at(0)));
        assert!(breaker.failed_at(at(10)) && !breaker.failed_at(at(10)));
        assert_eq!((0..1000).filter(|_| breaker.admits_at(at(20))).count(), 10);
        assert_eq!(
            [500, 1019, 1020, 1500, 2021].map(|ms| breaker.admits_at(at(ms))),
            [false, false, true, false, true]
        );
        assert!(breaker.succeeded() && !breaker.succeeded());
        assert!((0..10).all(|_| breaker.admits_at(at(1021))));
    }
}
