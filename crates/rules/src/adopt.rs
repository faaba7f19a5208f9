//! Where evaluation starts when there is no checkpoint of this rule yet: a new series, or a changed rule.

use event_model::alert::{TransitionCause, TransitionKind};
use jiff::{SignedDuration, Timestamp};

use crate::evaluate::{Horizon, Transition, evaluate};
use crate::heartbeat::earlier;
use crate::rule::Rule;
use crate::series::Point;
use crate::state::{Checkpoint, State, Status};

/// Just before: the database keeps microseconds.
const INSTANT: SignedDuration = SignedDuration::from_micros(1);

/// The checkpoint of a series that the rule has not seen: before its earliest unseen reading, `from`, so that a history which
/// arrives in one piece is evaluated whole, and at least a lateness window before its `newest`, so that late ones count.
///
/// `recorded` is the newest transition that an earlier life of the rule left behind; it stays as it is.
pub fn first_checkpoint(
    from: Timestamp,
    newest: Timestamp,
    recorded: Option<Timestamp>,
    lateness: SignedDuration,
) -> Checkpoint {
    let at = earlier(from, INSTANT).min(earlier(newest, lateness));
    Checkpoint { at: recorded.map_or(at, |recorded| at.max(recorded)), state: State::default() }
}

/// What a changed rule makes of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Adoption {
    /// At most one transition: none where the alert stands as it stood.
    pub transition: Option<Transition>,
    /// Where the next evaluation starts. Transitions of the rule as it was are at or before it, and so stay as they are.
    pub checkpoint: Checkpoint,
    /// When time alone could change the state.
    pub deadline: Option<Timestamp>,
}

/// Evaluates a changed rule afresh over the last lateness window.
///
/// `was` is where the alert stood under the rule as it was, `recorded` its newest effective transition. `points` must reach back one
/// lateness window from the newest reading.
pub fn adopt(
    rule: &Rule,
    was: Status,
    recorded: Option<Timestamp>,
    points: &[Point],
    horizon: Horizon<'_>,
) -> Adoption {
    let newest = points.last().map(|point| point.at);
    let start = newest.map_or(Timestamp::MIN, |newest| earlier(newest, horizon.lateness.max(INSTANT)));
    let fresh = evaluate(rule, &Checkpoint { at: start, state: State::default() }, points, horizon);
    let fired = fresh.transitions.last().filter(|last| last.kind == TransitionKind::Firing).copied();
    let mut state = fresh.state;
    let at = [newest, recorded, was.since(), fired.map(|fired| fired.at)].into_iter().flatten().max();
    let at = at.unwrap_or(Timestamp::MIN);
    let transition = match (was, fired) {
        (Status::Firing { since }, Some(_)) => {
            state.status = Status::Firing { since };
            None
        }
        (Status::Firing { .. }, None) => Some(Transition {
            kind: TransitionKind::Resolved,
            at,
            value: state.measured,
            cause: TransitionCause::RuleChanged,
        }),
        (_, fired) => fired,
    };
    Adoption { transition, checkpoint: Checkpoint { at, state }, deadline: fresh.deadline }
}
