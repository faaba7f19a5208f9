//! What there is to do on one stream: its rules and series beside the states that the database has of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use rules::{Checkpoint, Condition, Series, Status};
use store::alerts::{Mark, MetricRow, StateRow, StreamRow};

use crate::watch::Watch;

/// The work on one stream.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) tasks: Vec<Task<'a>>,
    /// States whose rule is gone, or no longer selects the series.
    pub(crate) gone: Vec<StateRow>,
    /// The series of any position, for what is told of those that are gone.
    pub(crate) series: BTreeMap<i16, Series>,
}

/// One rule on one series.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) watch: &'a Watch,
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
        let Condition::Absent { .. } = self.watch.rule.condition else { return None };
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
        watches: &'a [Watch],
        pipeline: &Pipeline,
        stream: &StreamRow,
        (states, mark): (Vec<StateRow>, Option<&Mark>),
    ) -> Self {
        let mut states: BTreeMap<_, _> =
            states.into_iter().map(|state| ((state.rule.clone(), state.position), state)).collect();
        let mut tasks = Vec::new();
        let mut all = BTreeMap::new();
        for metric in &stream.metrics {
            let series = series(pipeline, stream, metric);
            for watch in watches.iter().filter(|watch| watches_series(watch, &series, metric)) {
                let state = states.remove(&(watch.rule.name.clone(), metric.position));
                let start = match (state, mark) {
                    (Some(state), _) => Some(start_of(watch, &state)),
                    (None, Some(mark)) => Some(Start::First { from: mark.from }),
                    (None, None) => None,
                };
                tasks.extend(start.map(|start| Task { watch, position: metric.position, start }));
            }
            all.insert(metric.position, series);
        }
        Self { tasks, gone: states.into_values().collect(), series: all }
    }
}

fn watches_series(watch: &Watch, series: &Series, metric: &MetricRow) -> bool {
    let comparable = metric.is_numeric || matches!(watch.rule.condition, Condition::Absent { .. });
    comparable && watch.rule.watches(&series.metric, series.place())
}

fn start_of(watch: &Watch, state: &StateRow) -> Start {
    match state.checkpoint() {
        Some(checkpoint) if state.rule_hash == watch.hash => Start::Checkpoint(checkpoint),
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
