//! A source's own bound on requests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use pipeline_config::source::Rate;

/// The generic cell rate algorithm (ITU-T I.371): `requests` at once, then one for each share of the time. Exact
/// within one process; each process of the service has its own.
#[derive(Debug)]
pub(crate) struct Limiter {
    /// Microseconds that one request uses up.
    share: i64,
    /// Microseconds that may be used up ahead.
    burst: i64,
    /// When, in microseconds since the epoch, all that was used up will have been made up for.
    settled_at: AtomicI64,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        let burst = i64::try_from(rate.per.as_micros()).unwrap_or(i64::MAX / 4);
        let share = (burst / i64::from(rate.requests.max(1))).max(1);
        Self { share, burst, settled_at: AtomicI64::new(i64::MIN / 2) }
    }

    /// Lets one request in.
    ///
    /// # Errors
    /// How long to wait, at least a second, where the source is above its rate.
    pub(crate) fn admit(&self, now: Timestamp) -> Result<(), Duration> {
        let now = now.as_microsecond();
        let admitted = self.settled_at.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |settled_at| {
            let next = settled_at.max(now) + self.share;
            (next - now <= self.burst).then_some(next)
        });
        admitted.map(|_| ()).map_err(|settled_at| {
            let micros = settled_at + self.share - self.burst - now;
            let seconds = u64::try_from(micros).unwrap_or(0).div_ceil(1_000_000);
            Duration::from_secs(seconds.max(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use pipeline_config::source::Rate;

    use super::Limiter;

    #[test]
    fn a_burst_up_to_the_rate_passes_and_then_one_for_each_share() {
        let limiter = Limiter::new(Rate { requests: 3, per: Duration::from_secs(60) });
        let start = Timestamp::UNIX_EPOCH;
        for _ in 0..3 {
            assert_eq!(limiter.admit(start), Ok(()));
        }
        assert_eq!(limiter.admit(start), Err(Duration::from_secs(20)));
        let later = start + SignedDuration::from_secs(20);
        assert_eq!(limiter.admit(later), Ok(()));
        assert_eq!(limiter.admit(later), Err(Duration::from_secs(20)));
    }
}
