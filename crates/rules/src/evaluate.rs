//! One rule over one series: a single walk over readings and time, from the last checkpoint to the newest heartbeat.

use event_model::alert::{TransitionCause, TransitionKind};
use jiff::{SignedDuration, Timestamp};

use crate::condition::{is_breach, looks_at, measure};
use crate::heartbeat::{Heartbeats, earlier, later};
use crate::rule::{Condition, Rule};
use crate::series::Point;
use crate::state::{Checkpoint, State, Status};

/// What is known of time, beside the readings.
#[derive(Debug, Clone, Copy)]
pub struct Horizon<'a> {
    /// The heartbeats, from no later than the oldest reading that still counts.
    pub heartbeats: &'a Heartbeats,
    /// How much older than the newest reading of its series one may be and still count.
    pub lateness: SignedDuration,
}

/// A change between firing and not firing. Two are the same if kind and time are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// Firing or resolved.
    pub kind: TransitionKind,
    /// When, by event time.
    pub at: Timestamp,
    /// What the condition looked at then: the value or its rate of change; `None` in a silence.
    pub value: Option<f64>,
    /// Why.
    pub cause: TransitionCause,
}

/// What an evaluation gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// All transitions after the checkpoint that it started from, in order.
    pub transitions: Vec<Transition>,
    /// Where the next evaluation starts.
    pub checkpoint: Checkpoint,
    /// The state at the newest reading or heartbeat.
    pub state: State,
    /// When time alone could change the state or add a transition: always after the newest heartbeat.
    pub deadline: Option<Timestamp>,
}

/// Evaluates `rule` from the checkpoint `from` over `points`, which are in ascending order; those at or before the
/// checkpoint are passed over.
///
/// The result depends on the readings and heartbeats after the checkpoint alone. Starting instead from the checkpoint that it returns
/// gives the same transitions, less those up to that checkpoint.
pub fn evaluate(rule: &Rule, from: &Checkpoint, points: &[Point], horizon: Horizon<'_>) -> Evaluation {
    let points = &points[points.partition_point(|point| point.at <= from.at)..];
    let newest = points.last().map_or(from.at, |point| point.at);
    let checkpoint_at = next_checkpoint(rule, from.at, newest, horizon);
    let (settled, open) = points.split_at(points.partition_point(|point| point.at <= checkpoint_at));

    let mut walk = Walk {
        rule,
        heartbeats: horizon.heartbeats,
        floor: from.at,
        state: from.state,
        transitions: Vec::new(),
        deadline: None,
    };
    for point in settled {
        walk.step(*point);
    }
    walk.pass_time(Until::Through(checkpoint_at));
    let checkpoint = Checkpoint { at: checkpoint_at, state: walk.state };
    for point in open {
        walk.step(*point);
    }
    walk.pass_time(Until::Through(horizon.heartbeats.last().map_or(newest, |last| last.max(newest))));
    walk.note_deadline(None);
    Evaluation { transitions: walk.transitions, checkpoint, state: walk.state, deadline: walk.deadline }
}

/// One lateness window before the newest reading, never back; for `absent` not past what heartbeats have settled.
fn next_checkpoint(rule: &Rule, from: Timestamp, newest: Timestamp, horizon: Horizon<'_>) -> Timestamp {
    let at = earlier(newest, horizon.lateness.max(SignedDuration::ZERO));
    let at = match rule.condition {
        Condition::Absent { .. } => at.min(horizon.heartbeats.settled()),
        _ => at,
    };
    at.max(from)
}

/// How far time passes.
#[derive(Clone, Copy)]
enum Until {
    /// Up to a reading, which is applied before what its own instant would bring.
    Before(Timestamp),
    /// Up to and with an instant.
    Through(Timestamp),
}

impl Until {
    fn reaches(self, at: Timestamp) -> bool {
        match self {
            Self::Before(end) => at < end,
            Self::Through(end) => at <= end,
        }
    }
}

struct Walk<'a> {
    rule: &'a Rule,
    heartbeats: &'a Heartbeats,
    /// The checkpoint that the walk started from; what would have happened before it is history.
    floor: Timestamp,
    state: State,
    transitions: Vec<Transition>,
    deadline: Option<Timestamp>,
}

impl Walk<'_> {
    fn step(&mut self, point: Point) {
        self.pass_time(Until::Before(point.at));
        self.note_deadline(Some(point.at));
        match self.rule.condition {
            Condition::Absent { .. } => self.take_sign_of_life(point),
            _ => self.take_value(point),
        }
    }

    /// What time alone does until a reading or the end.
    fn pass_time(&mut self, until: Until) {
        if let Condition::Absent { after } = self.rule.condition {
            let Some(last) = self.state.last_at.filter(|_| !self.state.status.is_firing()) else { return };
            let after = after.saturating_add(self.rule.hold);
            let end = self.heartbeats.silence_ends(last, after, self.floor);
            if let Some(at) = end.filter(|at| until.reaches(*at)) {
                self.fire(at, None, TransitionCause::Silence);
            }
        } else if let Status::Pending { since } = self.state.status {
            let at = later(since, self.rule.hold);
            if until.reaches(at) {
                self.fire(at, self.state.measured, TransitionCause::Breach);
            }
        }
    }

    fn take_sign_of_life(&mut self, point: Point) {
        let value = Some(point.value).filter(|value| value.is_finite());
        if self.state.status.is_firing() {
            self.clear(point.at, value, TransitionCause::Returned);
        }
        self.state = State { last_at: Some(point.at), last_value: value, measured: value, ..self.state };
    }

    fn take_value(&mut self, point: Point) {
        if !point.value.is_finite() || !looks_at(&self.rule.condition, &self.state, point.at) {
            return;
        }
        let measured = measure(&self.rule.condition, &self.state, point);
        self.state.last_at = Some(point.at);
        self.state.last_value = Some(point.value);
        let Some(measured) = measured else { return };
        let before = self.state.status != Status::Ok;
        self.state.measured = Some(measured).filter(|value| value.is_finite());
        match (before, is_breach(&self.rule.condition, before, measured)) {
            (false, true) if self.rule.hold > SignedDuration::ZERO => {
                self.state.status = Status::Pending { since: point.at };
            }
            (false, true) => self.fire(point.at, self.state.measured, TransitionCause::Breach),
            (true, false) => self.clear(point.at, self.state.measured, TransitionCause::Cleared),
            (true, true) | (false, false) => {}
        }
    }

    fn fire(&mut self, at: Timestamp, value: Option<f64>, cause: TransitionCause) {
        self.state.status = Status::Firing { since: at };
        self.transitions.push(Transition { kind: TransitionKind::Firing, at, value, cause });
    }

    fn clear(&mut self, at: Timestamp, value: Option<f64>, cause: TransitionCause) {
        if self.state.status.is_firing() {
            self.transitions.push(Transition { kind: TransitionKind::Resolved, at, value, cause });
        }
        self.state.status = Status::Ok;
    }

    /// Remembers when heartbeats to come could change what happens before `next`, the reading that follows.
    ///
    /// A hold time that ends before a following reading was decided by that reading; a silence between two readings was not,
    /// while the heartbeats have not come that far.
    fn note_deadline(&mut self, next: Option<Timestamp>) {
        let due = match (&self.rule.condition, self.state.status) {
            (_, Status::Firing { .. }) => None,
            (Condition::Absent { after }, _) => self
                .state
                .last_at
                .and_then(|last| self.heartbeats.silence_may_end(last, after.saturating_add(self.rule.hold)))
                .filter(|end| next.is_none_or(|next| *end < next)),
            (_, Status::Pending { since }) if next.is_none() => Some(later(since, self.rule.hold)),
            _ => None,
        };
        self.deadline = [self.deadline, due].into_iter().flatten().min();
    }
}
