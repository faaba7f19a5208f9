//! What the values of a span leave.

use event_model::Aggregate;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The mean of unit vectors that is no longer than this has no direction: what is left of a sum that cancels out is rounding.
const NO_DIRECTION: f64 = 1e-9;

/// A value and its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When it was measured.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

/// What the values of a series within a span leave that can be merged; all in the unit of the series. `None` is what no double
/// can hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// How many there are; at least 1.
    pub n: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The earliest.
    pub first: Point,
    /// The latest.
    pub last: Point,
    /// By how much they rose: the sum of the steps upwards. A value below the one before is the count after a reset, and adds
    /// itself where it is above 0.
    pub rise: Option<f64>,
    /// How often a value is another than the one before.
    pub changes: u64,
    /// The time between values that are no further apart than the gap.
    pub covered: SignedDuration,
    /// That time in seconds, each by the value before it: unit × s. Of a flag the seconds with 1.
    pub integral: Option<f64>,
    /// The sum of the sines of the values as degrees.
    pub sin_sum: f64,
    /// The sum of their cosines.
    pub cos_sum: f64,
}

impl Values {
    /// Those of one value.
    pub(crate) fn of(point: Point) -> Self {
        // Within a turn first: the sine of a large number of radians is that of another angle.
        let (sin_sum, cos_sum) = (point.value % 360.0).to_radians().sin_cos();
        Self {
            n: 1,
            sum: Some(point.value),
            min: point.value,
            max: point.value,
            first: point,
            last: point,
            rise: Some(0.0),
            changes: 0,
            covered: SignedDuration::ZERO,
            integral: Some(0.0),
            sin_sum,
            cos_sum,
        }
    }

    /// Those of both, with the step between them.
    pub(crate) fn merge(self, later: Self, gap: SignedDuration) -> Self {
        let step = Step::between(self.last, later.first, gap);
        Self {
            n: self.n.saturating_add(later.n),
            sum: plus(self.sum, later.sum),
            min: self.min.min(later.min),
            max: self.max.max(later.max),
            first: self.first,
            last: later.last,
            rise: plus(plus(self.rise, step.rise), later.rise),
            changes: self.changes.saturating_add(u64::from(step.is_change)).saturating_add(later.changes),
            covered: self.covered.saturating_add(step.covered).saturating_add(later.covered),
            integral: plus(plus(self.integral, step.integral), later.integral),
            sin_sum: self.sin_sum + later.sin_sum,
            cos_sum: self.cos_sum + later.cos_sum,
        }
    }

    pub(crate) fn value(&self, aggregate: Aggregate) -> Option<f64> {
        match aggregate {
            Aggregate::Mean => self.mean(),
            Aggregate::TimeWeighted if self.covered.is_zero() => self.mean(),
            Aggregate::TimeWeighted | Aggregate::Flag => self.by_time(),
            Aggregate::Counter => self.rise.filter(|_| self.n > 1),
            Aggregate::Direction => self.direction(),
        }
    }

    fn mean(&self) -> Option<f64> {
        self.within(self.sum? / self.n as f64)
    }

    fn by_time(&self) -> Option<f64> {
        self.within(self.integral? / self.covered.as_secs_f64())
    }

    /// A mean, which rounding would take beyond its values: that of 0.1, 0.1 and 0.1 is 0.1.
    fn within(&self, mean: f64) -> Option<f64> {
        mean.is_finite().then(|| mean.max(self.min).min(self.max))
    }

    /// 0 to 360 degrees, 360 excluded.
    fn direction(&self) -> Option<f64> {
        let length = self.sin_sum.hypot(self.cos_sum) / self.n as f64;
        if !length.is_finite() || length <= NO_DIRECTION {
            return None;
        }
        let degrees = self.sin_sum.atan2(self.cos_sum).to_degrees();
        let turned = if degrees < 0.0 { degrees + 360.0 } else { degrees.abs() };
        // The sum of 360 and next to nothing is 360.
        Some(if turned < 360.0 { turned } else { 0.0 })
    }
}

/// What lies between two neighbouring values.
struct Step {
    rise: Option<f64>,
    is_change: bool,
    covered: SignedDuration,
    integral: Option<f64>,
}

impl Step {
    fn between(earlier: Point, later: Point, gap: SignedDuration) -> Self {
        let distance = later.at.duration_since(earlier.at);
        let covered = if distance.is_positive() && distance <= gap { distance } else { SignedDuration::ZERO };
        let is_reset = later.value < earlier.value;
        Self {
            rise: if is_reset { Some(later.value.max(0.0)) } else { finite(later.value - earlier.value) },
            is_change: later.value != earlier.value,
            covered,
            integral: finite(earlier.value * covered.as_secs_f64()),
        }
    }
}

fn plus(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    finite(one? + other?)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
