//! The part of a span.

use event_model::{Aggregate, Quality};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::values::{Point, Values};

/// A reading of a series as a number: flags are 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// When it was measured.
    pub at: Timestamp,
    /// The value, in the unit of the series. One that is not finite counts as bad.
    pub value: f64,
    /// Whether it can be trusted.
    pub quality: Quality,
}

/// What the readings of one series within a span of time leave that can be merged. The default is that of a span without
/// readings, and neutral.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Part {
    /// How many values of quality bad there were.
    pub bad: u64,
    /// What the others leave; `None` where there were none.
    pub values: Option<Values>,
}

impl Part {
    /// The part of these readings, in the order of their times, no two of them at one time. Two that are further apart than
    /// `gap` have a gap between them, which no value covers.
    pub fn of(readings: impl IntoIterator<Item = Observation>, gap: SignedDuration) -> Self {
        readings.into_iter().fold(Self::default(), |part, reading| part.merge(Self::of_one(reading), gap))
    }

    fn of_one(reading: Observation) -> Self {
        if reading.quality == Quality::Bad || !reading.value.is_finite() {
            return Self { bad: 1, values: None };
        }
        Self { bad: 0, values: Some(Values::of(Point { at: reading.at, value: reading.value })) }
    }

    /// The part of the span and of a later one together, with what lies between the last value of this and the first of
    /// `later`. The order in which neighbours are merged makes no difference, but for the rounding of doubles.
    #[must_use]
    pub fn merge(self, later: Self, gap: SignedDuration) -> Self {
        let values = match (self.values, later.values) {
            (Some(earlier), Some(later)) => Some(earlier.merge(later, gap)),
            (earlier, later) => earlier.or(later),
        };
        Self { bad: self.bad.saturating_add(later.bad), values }
    }

    /// The value of the span alone, in the metric's unit; of a direction in degrees, of a flag from 0 to 1. `None` where there
    /// is none, or no double can hold it.
    pub fn value(&self, aggregate: Aggregate) -> Option<f64> {
        self.values?.value(aggregate)
    }

    /// The same with the step that leads into the span: from `before`, the last value before the span, to the first within.
    /// `gap` is the one of the part. A mean and a direction are those of the values within the span.
    pub fn value_after(
        &self,
        before: Option<Point>,
        aggregate: Aggregate,
        gap: SignedDuration,
    ) -> Option<f64> {
        let own = self.values?;
        let Some(before) = before else { return own.value(aggregate) };
        let entered = Values::of(before).merge(own, gap);
        match aggregate {
            Aggregate::Mean | Aggregate::Direction => own.value(aggregate),
            Aggregate::TimeWeighted if entered.covered.is_zero() => own.value(Aggregate::Mean),
            Aggregate::TimeWeighted | Aggregate::Counter | Aggregate::Flag => entered.value(aggregate),
        }
    }
}
