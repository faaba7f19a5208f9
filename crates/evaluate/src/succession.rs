//! The end of a series whose metric comes in another unit, or as another kind of value. Pure.

use event_model::alert::{TransitionCause, TransitionKind};
use jiff::{SignedDuration, Timestamp};
use rules::{Change, Point, State, Status, Transition};

use crate::decide::Decision;

/// A rule that knows both series holds the older one for ended when it was not reported for so long and the other was: two
/// sensors of one metric may take turns.
const TURN: SignedDuration = SignedDuration::from_hours(48);

/// Another series of the same metric and stream.
pub(crate) struct Sibling {
    /// Its readings, in order.
    pub(crate) points: Vec<Point>,
    /// Whether the rule sees it for the first time.
    pub(crate) is_new: bool,
}

/// The reading of `sibling` with which it takes the place of a series whose newest reading is `newest`.
pub(crate) fn takes_over(newest: Timestamp, sibling: &Sibling) -> Option<Timestamp> {
    let (first, last) = (sibling.points.first()?.at, sibling.points.last()?.at);
    if sibling.is_new {
        return (first > newest).then_some(first);
    }
    (last.duration_since(newest) >= TURN).then_some(last)
}

/// Ends the alert of a series that another took the place of at `at`, and forgets what it was about to do.
pub(crate) fn end(decision: &mut Decision, at: Timestamp) {
    let Decision { changes, state } = decision;
    if state.status == Status::Ok && state.deadline.is_none() && state.checkpoint == Some(State::default()) {
        return;
    }
    let at = state.status.since().map_or(at, |since| since.max(at)).max(state.checkpoint_at);
    if state.status.is_firing() {
        let (kind, cause) = (TransitionKind::Resolved, TransitionCause::SeriesChanged);
        changes.push(Change::Record(Transition { kind, at, value: None, cause }));
    }
    (state.status, state.deadline) = (Status::Ok, None);
    (state.checkpoint_at, state.checkpoint) = (at, Some(State::default()));
}
