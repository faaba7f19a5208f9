//! What a condition looks at in a reading, and whether that is a breach.

use jiff::Timestamp;

use crate::rule::{Condition, Direction, Rule};
use crate::series::Point;
use crate::state::State;

/// What the condition compares: the value, or its rate of change since the reading before.
///
/// `None` where there is nothing to compare: a first reading has no rate, and `absent` compares nothing.
pub(crate) fn measure(condition: &Condition, state: &State, point: Point) -> Option<f64> {
    match condition {
        Condition::Above { .. } | Condition::Below { .. } | Condition::Outside { .. } => Some(point.value),
        Condition::RateOfChange { per, .. } => {
            let (last_at, last_value) = state.last_at.zip(state.last_value)?;
            let elapsed = point.at.duration_since(last_at).as_secs_f64();
            // Dividing first keeps the product from overflowing where the rate itself does not.
            let rate = (point.value - last_value) / elapsed * per.as_secs_f64();
            (elapsed > 0.0 && !rate.is_nan()).then_some(rate)
        }
        Condition::Absent { .. } => None,
    }
}

/// Whether the condition looks at a reading of this time: a rate of change passes over what follows the last too soon.
pub(crate) fn looks_at(condition: &Condition, state: &State, at: Timestamp) -> bool {
    match (condition, state.last_at) {
        (Condition::RateOfChange { window, .. }, Some(last)) => at.duration_since(last) >= *window,
        _ => true,
    }
}

/// Whether a series that was (`before`) or was not in breach is in breach with `measured`.
pub(crate) fn is_breach(condition: &Condition, before: bool, measured: f64) -> bool {
    match *condition {
        Condition::Above { threshold, clear } => exceeds(before, measured, threshold, clear),
        Condition::Below { threshold, clear } => exceeds(before, -measured, -threshold, -clear),
        Condition::Outside { low, high, clear_low, clear_high } => {
            if before {
                !(clear_low..=clear_high).contains(&measured)
            } else {
                measured < low || measured > high
            }
        }
        Condition::RateOfChange { threshold, clear, direction, .. } => {
            exceeds(before, magnitude(direction, measured), threshold, clear)
        }
        Condition::Absent { .. } => false,
    }
}

impl Rule {
    /// Whether a series that is not in breach fires by a reading of this value alone, whatever came before.
    pub fn fires_at(&self, value: f64) -> bool {
        let by_value = matches!(
            self.condition,
            Condition::Above { .. } | Condition::Below { .. } | Condition::Outside { .. }
        );
        by_value && self.hold.is_zero() && is_breach(&self.condition, false, value)
    }
}

/// Begins above `threshold`, ends at or below `clear`.
fn exceeds(before: bool, measured: f64, threshold: f64, clear: f64) -> bool {
    if before { measured > clear } else { measured > threshold }
}

fn magnitude(direction: Direction, rate: f64) -> f64 {
    match direction {
        Direction::Either => rate.abs(),
        Direction::Rising => rate,
        Direction::Falling => -rate,
    }
}
