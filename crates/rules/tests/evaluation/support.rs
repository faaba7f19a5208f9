//! A series, its rows and its clock: what the `alert` stage does with this crate, without a database.

use std::collections::{BTreeMap, BTreeSet};

use event_model::Severity;
use event_model::alert::TransitionKind;
use jiff::{SignedDuration, Timestamp};
use rules::{
    Change, Checkpoint, Condition, Evaluation, Heartbeats, Horizon, Point, Recorded, Rule, Selector,
    evaluate, first_checkpoint, reconcile,
};

pub(crate) const TICK: SignedDuration = SignedDuration::from_secs(300);

/// Seconds after an arbitrary beginning.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

pub(crate) fn rule(condition: Condition, hold: i64) -> Rule {
    Rule {
        name: "Watched".into(),
        metric: "temperature".into(),
        selector: Selector::default(),
        condition,
        hold: SignedDuration::from_secs(hold),
        severity: Severity::Warning,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

pub(crate) fn above(threshold: f64, clear: f64) -> Condition {
    Condition::Above { threshold, clear }
}

pub(crate) fn absent(after: i64) -> Condition {
    Condition::Absent { after: SignedDuration::from_secs(after) }
}

/// One series under one rule.
pub(crate) struct SeriesFixture {
    pub(crate) rule: Rule,
    pub(crate) lateness: SignedDuration,
    readings: BTreeMap<Timestamp, f64>,
    heartbeats: BTreeSet<Timestamp>,
    request: Option<Timestamp>,
    checkpoint: Option<Checkpoint>,
    deadline: Option<Timestamp>,
    rows: Vec<(Recorded, bool)>,
}

impl SeriesFixture {
    pub(crate) fn new(rule: Rule, lateness: i64) -> Self {
        Self {
            rule,
            lateness: SignedDuration::from_secs(lateness),
            readings: BTreeMap::new(),
            heartbeats: BTreeSet::new(),
            request: None,
            checkpoint: None,
            deadline: None,
            rows: Vec::new(),
        }
    }

    /// A reading is stored, with an evaluation request.
    pub(crate) fn store(&mut self, second: i64, value: f64) {
        self.readings.insert(at(second), value);
        self.request = Some(self.request.map_or(at(second), |from| from.min(at(second))));
    }

    /// A heartbeat comes through; only a series whose deadline it has reached is evaluated.
    pub(crate) fn heartbeat(&mut self, second: i64) {
        self.heartbeats.insert(at(second));
        if self.deadline.is_some_and(|deadline| deadline <= at(second)) {
            self.evaluate(at(second));
        }
    }

    /// `alert` sees the request.
    pub(crate) fn look(&mut self, now: i64) {
        if self.request.is_some() {
            self.evaluate(at(now));
        }
    }

    fn evaluate(&mut self, now: Timestamp) {
        let points: Vec<_> =
            self.readings.iter().map(|(at, value)| Point { at: *at, value: *value }).collect();
        let newest = points.last().unwrap().at;
        let start = self
            .checkpoint
            .unwrap_or_else(|| first_checkpoint(self.request.unwrap_or(newest), newest, None, self.lateness));
        let Evaluation { transitions, checkpoint, deadline, .. } =
            evaluate(&self.rule, &start, &points, self.horizon(&self.known(now)));
        let effective: Vec<_> = self.effective_rows().filter(|row| row.at > start.at).collect();
        for change in reconcile(&effective, &transitions) {
            match change {
                Change::Retract(untrue) => {
                    self.rows.iter_mut().find(|(row, _)| row.id == untrue.id).unwrap().1 = false;
                }
                Change::Record(new) => {
                    let id = i64::try_from(self.rows.len()).unwrap();
                    self.rows.push((Recorded { id, kind: new.kind, at: new.at }, true));
                }
            }
        }
        assert!(checkpoint.at >= start.at, "a checkpoint never goes back");
        // Through JSON, as the database keeps it.
        let state = serde_json::from_value(serde_json::to_value(checkpoint.state).unwrap()).unwrap();
        self.checkpoint = Some(Checkpoint { state, ..checkpoint });
        self.deadline = deadline;
        self.request = None;
    }

    pub(crate) fn known(&self, now: Timestamp) -> Heartbeats {
        Heartbeats::new(self.heartbeats.iter().copied(), TICK, now)
    }

    pub(crate) fn horizon<'a>(&self, heartbeats: &'a Heartbeats) -> Horizon<'a> {
        Horizon { heartbeats, lateness: self.lateness }
    }

    fn effective_rows(&self) -> impl Iterator<Item = Recorded> {
        let mut rows: Vec<_> =
            self.rows.iter().filter(|(_, effective)| *effective).map(|(row, _)| *row).collect();
        rows.sort_by_key(|row| (row.at, row.id));
        rows.into_iter()
    }

    /// The effective transitions, in seconds after the beginning.
    pub(crate) fn effective(&self) -> Vec<(TransitionKind, i64)> {
        self.effective_rows().map(|row| (row.kind, row.at.as_second() - at(0).as_second())).collect()
    }

    /// How many were ever retracted.
    pub(crate) fn retracted(&self) -> usize {
        self.rows.iter().filter(|(_, effective)| !effective).count()
    }

    pub(crate) fn deadline(&self) -> Option<i64> {
        self.deadline.map(|deadline| deadline.as_second() - at(0).as_second())
    }
}
