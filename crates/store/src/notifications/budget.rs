//! How much a receiver is sent within an hour. Pure.

use jiff::{SignedDuration, Timestamp};

/// The time that is counted.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// How long the first summary of an hour waits, so that it counts what comes together.
const GATHER: SignedDuration = SignedDuration::from_secs(20);

/// What a receiver has been sent in the hour that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// When the hour began: with its first alert.
    pub(super) from: Timestamp,
    /// How many alerts began on the receiver within it.
    pub(super) begun: i32,
    /// When a summary was begun within it.
    pub(super) summarized_at: Option<Timestamp>,
}

impl Budget {
    /// What is stored, or an hour that begins now. An hour of the future is that of a clock which was ahead.
    pub(super) fn at(
        now: Timestamp,
        from: Option<Timestamp>,
        begun: i32,
        summarized_at: Option<Timestamp>,
    ) -> Self {
        match from.filter(|from| *from <= now && now.duration_since(*from) < WINDOW) {
            Some(from) => Self { from, begun, summarized_at: summarized_at.filter(|at| *at >= from) },
            None => Self { from: now, begun: 0, summarized_at: None },
        }
    }

    /// How many more may begin.
    pub(super) fn room(&self, max: u32) -> usize {
        usize::try_from(i64::from(max) - i64::from(self.begun)).unwrap_or(0)
    }

    /// When a summary that begins now is to be sent.
    pub(super) fn summary_due(&self, now: Timestamp) -> Timestamp {
        let (after, length) = match self.summarized_at {
            None => (now, GATHER),
            Some(_) => (self.from, WINDOW),
        };
        after.checked_add(length).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::Budget;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_mins(minute)).unwrap()
    }

    #[test]
    fn an_hour_is_counted_from_its_first_alert() {
        let budget = Budget::at(at(59), Some(at(0)), 58, None);
        assert_eq!((budget.room(60), budget.room(10)), (2, 0));
        assert_eq!(
            Budget::at(at(60), Some(at(0)), 60, Some(at(3))),
            Budget { from: at(60), begun: 0, summarized_at: None }
        );
        assert_eq!(Budget::at(at(0), Some(at(7)), 60, None).begun, 0);
    }

    #[test]
    fn an_hour_has_one_summary_soon_and_one_at_its_end() {
        let first = Budget::at(at(10), Some(at(0)), 60, None);
        assert_eq!(first.summary_due(at(10)), at(10).checked_add(SignedDuration::from_secs(20)).unwrap());
        let second = Budget::at(at(20), Some(at(0)), 60, Some(at(10)));
        assert_eq!(second.summary_due(at(20)), at(60));
    }
}
