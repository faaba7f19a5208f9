//! The moments of the demo: its payloads are of the last minutes before it began.

use jiff::{SignedDuration, Timestamp};

/// The moments at which the fleet measured.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    begin: Timestamp,
}

impl Moments {
    /// Moments that end just before `now`.
    pub fn ending_before(now: Timestamp) -> Self {
        let begin = now - SignedDuration::from_mins(12);
        // Whole seconds: Ecowitt and Tasmota send nothing finer.
        Self { begin: Timestamp::from_second(begin.as_second()).unwrap_or(begin) }
    }

    /// The moment `minutes` after the first.
    pub fn at(self, minutes: i64) -> Timestamp {
        self.begin + SignedDuration::from_mins(minutes)
    }
}
