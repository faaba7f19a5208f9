//! How the values that a series had within a span of time become one.

use serde::{Deserialize, Serialize};

use crate::reading::ValueKind;
use crate::word::words;

/// How the values that a series had within a span of time become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Their mean, each of them counting once: of what is measured at even distances.
    #[default]
    Mean,
    /// Their mean by time, each of them holding until the next: of what is sent when it changes.
    TimeWeighted,
    /// By how much they rose: of what only rises, or begins anew. In the metric's unit.
    Counter,
    /// The direction of the sum of their unit vectors, in degrees.
    Direction,
    /// The share of time with 1, from 0 to 1: of what is 0 or 1.
    Flag,
}

words!(Aggregate, "aggregate", {
    Mean = "mean",
    TimeWeighted = "time_weighted",
    Counter = "counter",
    Direction = "direction",
    Flag = "flag"
});

impl Aggregate {
    /// The aggregate of values of this kind, where nothing but the metric's usual one is known: of flags it is no mean, but a
    /// share of time.
    pub const fn of_kind(self, kind: ValueKind) -> Self {
        match (self, kind) {
            (Self::Mean, ValueKind::Flag) => Self::Flag,
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Aggregate, ValueKind};

    #[test]
    fn its_word_is_the_same_in_the_file_and_in_json() {
        for aggregate in Aggregate::ALL {
            assert_eq!(serde_json::to_value(aggregate).unwrap(), aggregate.as_str());
            assert_eq!(aggregate.as_str().parse(), Ok(*aggregate));
        }
        assert!("median".parse::<Aggregate>().is_err());
    }

    #[test]
    fn a_flag_has_a_share_of_time_and_no_mean() {
        assert_eq!(Aggregate::Mean.of_kind(ValueKind::Flag), Aggregate::Flag);
        assert_eq!(Aggregate::Mean.of_kind(ValueKind::Number), Aggregate::Mean);
        assert_eq!(Aggregate::Counter.of_kind(ValueKind::Flag), Aggregate::Counter);
    }
}
