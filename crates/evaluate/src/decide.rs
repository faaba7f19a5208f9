//! What becomes of one series under one rule. Pure.

use jiff::Timestamp;
use rules::{
    Change, Checkpoint, Evaluation, Horizon, Point, Recorded, State, adopt, evaluate, first_checkpoint,
    reconcile,
};
use store::alerts::StateRow;

use crate::plan::{Start, Task};

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) changes: Vec<Change>,
    pub(crate) state: StateRow,
}

/// What the database has of the alert's transitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// The effective ones after the moment that the task reads from.
    pub(crate) effective: Vec<Recorded>,
    /// The time of the newest effective one, read where there is no checkpoint.
    pub(crate) newest: Option<Timestamp>,
}

/// `None` where the rule has nothing to stand on: no reading of the series counts.
pub(crate) fn decide(
    task: &Task<'_>,
    mut points: Vec<Point>,
    past: &Past,
    horizon: Horizon<'_>,
) -> Option<Decision> {
    let rule = &task.watched.rule;
    let read = points.last().map(|point| point.at);
    let start = match task.start {
        Start::Checkpoint(checkpoint) => checkpoint,
        Start::First { from } => match task.expected {
            Some(expected) => awaited(expected, past.newest),
            None => {
                let newest = read.filter(|newest| *newest >= from)?;
                first_checkpoint(from, newest, past.newest, horizon.lateness)
            }
        },
        Start::Afresh { was, since } => {
            if let Some(expected) = task.expected {
                let Checkpoint { at, .. } = awaited(expected, past.newest);
                let place = points.partition_point(|point| point.at < at);
                points.insert(place, Point { at, value: f64::NAN });
            }
            let adoption = adopt(rule, was, past.newest, &points, horizon);
            let at = adoption.checkpoint.at.max(since);
            let checkpoint = Checkpoint { at, ..adoption.checkpoint };
            let state = StateRow { deadline: adoption.deadline, ..state_row(task, checkpoint, read) };
            let changes = adoption.transition.map(Change::Record).into_iter().collect();
            return Some(Decision { changes, state });
        }
    };
    let Evaluation { transitions, checkpoint, state: now, deadline } =
        evaluate(rule, &start, &points, horizon);
    let first = past.effective.partition_point(|row| row.at <= start.at);
    let changes = reconcile(&past.effective[first..], &transitions);
    let state = StateRow { status: now.status, deadline, ..state_row(task, checkpoint, read) };
    Some(Decision { changes, state })
}

/// Where silence of a series begins that was never read, of a device that was `expected` then: behind all that is `recorded` of it.
fn awaited(expected: Timestamp, recorded: Option<Timestamp>) -> Checkpoint {
    let at = recorded.map_or(expected, |recorded| recorded.max(expected));
    Checkpoint { at, state: State { last_at: Some(at), ..State::default() } }
}

/// As it is at the checkpoint; `read` is the newest reading.
fn state_row(task: &Task<'_>, checkpoint: Checkpoint, read: Option<Timestamp>) -> StateRow {
    StateRow {
        rule: task.watched.rule.name.clone(),
        stream: task.stream,
        position: task.position,
        rule_hash: task.watched.hash.clone(),
        checkpoint_at: checkpoint.at,
        checkpoint: Some(checkpoint.state),
        status: checkpoint.state.status,
        deadline: None,
        newest_at: task.seen.max(read),
    }
}
