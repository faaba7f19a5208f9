//! What leaves a series as it stands, without a walk from its checkpoint.

use jiff::Timestamp;

use crate::condition::is_breach;
use crate::rule::{Condition, Rule};
use crate::series::Point;
use crate::state::Status;

/// Whether a rule still stands at `status`, and no transition is added or becomes untrue, by `points`: all readings of the series after
/// the one at which it came to stand there. `deadline` is the evaluation's that found it there, and heartbeats have not reached it.
///
/// Each of the points leaves it as it is by itself, and so does any choice of them, in any order of arrival: what holds now
/// holds when one of them is revised, as long as the revised one is looked at. `false` where only a walk can say.
pub fn leaves_unmoved(rule: &Rule, status: Status, deadline: Option<Timestamp>, points: &[Point]) -> bool {
    if points.is_empty() {
        return true;
    }
    let all_are_breaches = |expected: bool| {
        let mut values = points.iter().map(|point| point.value).filter(|value| value.is_finite());
        values.all(|value| is_breach(&rule.condition, expected, value) == expected)
    };
    match (&rule.condition, status) {
        // A sign of life before a silence could have ended only puts that off: its deadline is a hint.
        (Condition::Absent { .. }, Status::Ok) => {
            deadline.is_some_and(|deadline| points.iter().all(|point| point.at < deadline))
        }
        (Condition::Above { .. } | Condition::Below { .. } | Condition::Outside { .. }, Status::Ok) => {
            all_are_breaches(false)
        }
        (
            Condition::Above { .. } | Condition::Below { .. } | Condition::Outside { .. },
            Status::Firing { .. },
        ) => all_are_breaches(true),
        // A hold may end at any reading, a rate looks at the reading before, and a silence ends with the first.
        _ => false,
    }
}
