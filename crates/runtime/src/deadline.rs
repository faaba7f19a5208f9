//! When work has to be over, and how much of it may still be begun.

use std::time::{Duration, Instant};

/// The instant by which a delivery must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// The end of `limit` from now on.
    pub fn within(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// The time that is left; zero after the end.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether a step that takes up to `longest` still ends in time.
    pub fn allows(self, longest: Duration) -> bool {
        self.left() >= longest
    }

    /// The middle of the time that is left, for the first of two kinds of work.
    #[must_use]
    pub fn half(self) -> Self {
        Self::within(self.left() / 2)
    }

    /// Itself, or the end of `limit` where that comes first.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self(self.0.min(Instant::now() + limit))
    }

    /// The loop "while there is work and time": one item for each step that may be begun, where a step takes up to `longest`.
    /// The body leaves the loop where it finds no more work. The first step is always given, so that each delivery gets on.
    pub fn steps(self, longest: Duration) -> impl Iterator<Item = ()> + Send {
        std::iter::once(()).chain(std::iter::from_fn(move || self.allows(longest).then_some(())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Deadline;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn no_step_is_begun_that_would_not_end_in_time() {
        assert_eq!(Deadline::within(HOUR).steps(HOUR * 2).count(), 1, "the first is always given");
        assert_eq!(Deadline::within(HOUR).steps(HOUR / 2).take(10).count(), 10);
        assert_eq!(Deadline::within(Duration::ZERO).steps(Duration::from_nanos(1)).count(), 1);
    }

    #[test]
    fn parts_end_before_the_whole() {
        let whole = Deadline::within(HOUR);
        assert!(whole.half().left() <= HOUR / 2);
        assert!(whole.at_most(HOUR / 4).left() <= HOUR / 4);
        assert!(whole.at_most(HOUR * 2).left() > HOUR / 2);
    }
}
