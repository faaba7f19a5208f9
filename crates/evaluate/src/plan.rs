//! What there is to do on one stream: its rules and series beside the states that the database has of them.

use std::collections::BTreeMap;

use event_model::alert::AlertId;
use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use rules::{Checkpoint, Condition, Series, Status};
use store::alerts::{MetricRow, Request, StateRow, StreamRow};

use crate::watched_rules::{WatchedRule, WatchedRules};

/// The work on one stream.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) tasks: Vec<Task<'a>>,
    /// States whose rule is gone, or no longer selects the series.
    pub(crate) gone: Vec<StateRow>,
    /// The series of any position, for the ends of alerts whose rule is gone.
    pub(crate) series: BTreeMap<i16, Series>,
}

/// One rule on one series.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) watched: &'a WatchedRule,
    pub(crate) stream: i32,
    pub(crate) position: i16,
    pub(crate) start: Start,
}

/// Where its evaluation starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Start {
    /// At a checkpoint of this very rule.
    Checkpoint(Checkpoint),
    /// The rule has not seen the series; its earliest unseen reading is here.
    First { from: Timestamp },
    /// The rule was changed.
    Afresh { was: Status, since: Timestamp },
}

impl Task<'_> {
    /// The alert that it is about.
    pub(crate) fn alert(&self) -> AlertId<'_> {
        AlertId { rule: &self.watched.rule.name, stream: self.stream, position: self.position }
    }

    /// Readings and transitions after this moment are needed.
    pub(crate) fn reads_from(&self, lateness: SignedDuration) -> Timestamp {
        match self.start {
            Start::Checkpoint(checkpoint) => checkpoint.at,
            Start::First { from } => before(before(from, lateness), SignedDuration::from_micros(1)),
            Start::Afresh { since, .. } => before(since, lateness),
        }
    }

    /// Heartbeats from this moment on are needed; only a silence asks for more than the newest.
    pub(crate) fn counts_from(&self, lateness: SignedDuration) -> Option<Timestamp> {
        let Condition::Absent { .. } = self.watched.rule.condition else { return None };
        let reads_from = self.reads_from(lateness);
        Some(match self.start {
            Start::Checkpoint(Checkpoint { state, .. }) => {
                state.last_at.map_or(reads_from, |last| last.min(reads_from))
            }
            _ => reads_from,
        })
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        (rules, pipeline): (&'a WatchedRules, &Pipeline),
        (id, stream): (i32, &StreamRow),
        states: Vec<StateRow>,
        request: Option<&Request>,
    ) -> Self {
        let mut states: BTreeMap<_, _> =
            states.into_iter().map(|state| ((state.rule.clone(), state.position), state)).collect();
        let mut tasks = Vec::new();
        let mut all = BTreeMap::new();
        for metric in &stream.metrics {
            let series = series(pipeline, stream, metric);
            for watched in rules.iter().filter(|watched| watches_series(watched, &series, metric)) {
                let state = states.remove(&(watched.rule.name.clone(), metric.position));
                let start = match (state, request) {
                    (Some(state), _) => Some(start_of(watched, &state)),
                    (None, Some(request)) => Some(Start::First { from: request.from }),
                    (None, None) => None,
                };
                tasks.extend(start.map(|start| Task {
                    watched,
                    stream: id,
                    position: metric.position,
                    start,
                }));
            }
            all.insert(metric.position, series);
        }
        Self { tasks, gone: states.into_values().collect(), series: all }
    }

    /// Moments after this are needed; `None`: none at all.
    pub(crate) fn reads_from(&self, lateness: SignedDuration) -> Option<Timestamp> {
        self.tasks.iter().map(|task| task.reads_from(lateness)).min()
    }
}

fn watches_series(watched: &WatchedRule, series: &Series, metric: &MetricRow) -> bool {
    let comparable = metric.is_numeric || matches!(watched.rule.condition, Condition::Absent { .. });
    comparable && watched.rule.watches(&series.metric, series.stream())
}

fn start_of(watched: &WatchedRule, state: &StateRow) -> Start {
    match state.checkpoint() {
        Some(checkpoint) if state.rule_hash == watched.hash => Start::Checkpoint(checkpoint),
        checkpoint => {
            let last = checkpoint.and_then(|checkpoint| checkpoint.state.last_at);
            let since = last.map_or(state.checkpoint_at, |last| last.min(state.checkpoint_at));
            Start::Afresh { was: state.status, since }
        }
    }
}

fn series(pipeline: &Pipeline, stream: &StreamRow, metric: &MetricRow) -> Series {
    let mut tags = pipeline.sources.get(&stream.source).map(|source| source.tags.clone()).unwrap_or_default();
    tags.extend(stream.tags.clone());
    Series {
        source: stream.source.clone(),
        device: stream.device.clone(),
        channel: stream.channel.clone(),
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        tags,
    }
}

fn before(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_sub(duration).unwrap_or(at)
}
