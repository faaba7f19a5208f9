//! What there is to do on one stream: its rules and series beside the states that the database has of them, less those that the
//! unseen readings leave as they are.

use std::collections::BTreeMap;

use event_model::alert::{AlertId, TransitionCause};
use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use rules::{Checkpoint, Condition, Point, Series, Status, leaves_unmoved};
use store::alerts::{MetricRow, Moments, Request, Span, StateRow, StreamRow};

use crate::watched_rules::{WatchedRule, WatchedRules};

/// A state is written at least once in so much time of its series, or once a lateness window where that is longer: what a walk from
/// its checkpoint reads is bounded.
const LONGEST_UNWRITTEN: SignedDuration = SignedDuration::from_hours(1);

/// What is known when the work on a stream is planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) rules: &'a WatchedRules,
    pub(crate) pipeline: &'a Pipeline,
    /// The newest heartbeat.
    pub(crate) heartbeat: Option<Timestamp>,
}

/// The work on one stream.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) tasks: Vec<Task<'a>>,
    /// States that no rule stands for any more, and why their alerts end: the rule is gone, or no longer selects the series; the device is
    /// retired; it was awaited, and sends something else; the series has no values any more.
    pub(crate) gone: Vec<(StateRow, TransitionCause)>,
    /// Positions that were marked as without values: the mark has been looked at.
    pub(crate) emptied: Vec<i16>,
    /// The series of any position, for the ends of alerts that no rule stands for any more.
    pub(crate) series: BTreeMap<i16, Series>,
    /// The earliest moment that no rule has seen.
    unseen: Option<Timestamp>,
}

/// One rule on one series.
#[derive(Debug)]
pub(crate) struct Task<'a> {
    pub(crate) watched: &'a WatchedRule,
    pub(crate) stream: i32,
    pub(crate) position: i16,
    pub(crate) start: Start,
    /// The newest reading that was evaluated before.
    pub(crate) seen: Option<Timestamp>,
    /// Since when its silence counts where there is no reading: the device was awaited.
    pub(crate) expected: Option<Timestamp>,
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
        known: Known<'a>,
        (id, stream): (i32, &StreamRow),
        states: Vec<StateRow>,
        request: Option<&Request>,
    ) -> Self {
        let Known { rules, pipeline, .. } = known;
        let mut states: BTreeMap<_, _> =
            states.into_iter().map(|state| ((state.rule.clone(), state.position), state)).collect();
        let (mut tasks, mut gone) = (Vec::new(), Vec::new());
        let marked = stream.metrics.iter().filter(|metric| metric.is_empty && request.is_some());
        let emptied = marked.map(|metric| metric.position).collect();
        let mut all = BTreeMap::new();
        let is_watched = !stream.is_retired && (stream.is_seen || stream.is_expected);
        for metric in &stream.metrics {
            let series = series(pipeline, stream, metric);
            let is_alone = stream.metrics.iter().filter(|other| other.name == metric.name).count() == 1;
            let watches = |watched: &&WatchedRule| is_watched && watches_series(watched, &series, metric);
            for watched in rules.iter().filter(watches) {
                let state = states.remove(&(watched.rule.name.clone(), metric.position));
                let unseen = Unseen::of(watched, metric.position, request);
                let is_silence = matches!(watched.rule.condition, Condition::Absent { .. });
                let expected = stream.expected_at.filter(|_| is_silence);
                let state = match state {
                    Some(state) if metric.is_empty && request.is_some() && unseen.is_nothing() => {
                        gone.push((state, TransitionCause::SeriesRemoved));
                        continue;
                    }
                    // It was awaited, was never read, and its device sends something else.
                    Some(state)
                        if expected.is_some()
                            && stream.is_seen
                            && state.newest_at.is_none()
                            && unseen.is_nothing() =>
                    {
                        gone.push((state, TransitionCause::Returned));
                        continue;
                    }
                    state => state,
                };
                let is_unread = state.as_ref().map_or(!stream.is_seen, |state| state.newest_at.is_none());
                let expected = expected.filter(|_| is_unread);
                let (start, seen) = match (state, request) {
                    (Some(state), _) if known.is_unmoved(watched, &state, is_alone, &unseen) => continue,
                    (Some(state), _) => (start_of(watched, &state), state.newest_at),
                    (None, Some(request)) if !unseen.is_nothing() => {
                        let from = expected.map_or(request.from, |expected| expected.min(request.from));
                        (Start::First { from }, None)
                    }
                    (None, _) => match expected {
                        Some(from) => (Start::First { from }, None),
                        None => continue,
                    },
                };
                let position = metric.position;
                tasks.push(Task { watched, stream: id, position, start, seen, expected });
            }
            all.insert(metric.position, series);
        }
        let unseen = request.map(|request| request.from);
        let ends_by =
            if stream.is_retired { TransitionCause::DeviceRetired } else { TransitionCause::RuleRemoved };
        gone.extend(states.into_values().map(|state| (state, ends_by)));
        Self { tasks, gone, emptied, series: all, unseen }
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.gone.is_empty() && self.emptied.is_empty()
    }

    /// The moments that are needed, in order and apart. Long after the newest reading that was walked over and before the earliest moment
    /// that no rule has seen there is no reading of a series: one that is reported no more costs its stream nothing.
    pub(crate) fn spans(&self, lateness: SignedDuration) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for task in &self.tasks {
            let after = task.reads_from(lateness);
            let seen = task.seen.filter(|_| matches!(task.start, Start::Checkpoint(_)));
            let until = seen.map(|seen| later(seen, longest_unwritten(lateness)));
            spans.push(Span { after, until });
        }
        let unseen = self.unseen.filter(|_| !self.tasks.is_empty());
        spans
            .extend(unseen.map(|at| Span { after: before(at, SignedDuration::from_micros(1)), until: None }));
        spans.sort_unstable_by_key(|span| span.after);
        spans.dedup_by(|next, last| {
            let joins = last.until.is_none_or(|until| next.after <= until);
            if joins {
                last.until = last.until.zip(next.until).map(|(one, other)| one.max(other));
            }
            joins
        });
        spans
    }
}

impl Known<'_> {
    /// Whether the rule still stands where its state says.
    fn is_unmoved(&self, watched: &WatchedRule, state: &StateRow, is_alone: bool, unseen: &Unseen) -> bool {
        if state.rule_hash != watched.hash || state.checkpoint.is_none() {
            return false;
        }
        if state.deadline.is_some_and(|deadline| self.heartbeat.is_some_and(|newest| deadline <= newest)) {
            return false;
        }
        let (from, points) = match unseen {
            Unseen::None => return true,
            Unseen::Many => return false,
            Unseen::From(from, points) => (*from, points),
        };
        // A series that another one of its metric may take the place of is walked over with that one.
        let Some(newest) = state.newest_at.filter(|_| is_alone) else { return false };
        let longest = longest_unwritten(self.pipeline.lateness);
        let is_late = from <= newest.max(state.checkpoint_at);
        let is_long = points.last().is_some_and(|point| point.at.duration_since(newest) >= longest);
        !is_late && !is_long && leaves_unmoved(&watched.rule, state.status, state.deadline, points)
    }
}

/// What no rule has seen of a series.
enum Unseen {
    /// There is no request.
    None,
    /// These readings, all of moments from this one on.
    From(Timestamp, Vec<Point>),
    /// Too many to look at one by one.
    Many,
}

impl Unseen {
    fn of(watched: &WatchedRule, position: i16, request: Option<&Request>) -> Self {
        match request {
            None => Self::None,
            Some(Request { unseen: None, .. }) => Self::Many,
            Some(Request { from, unseen: Some(moments), .. }) => {
                Self::From(*from, points(watched, moments, position))
            }
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::None => true,
            Self::From(_, points) => points.is_empty(),
            Self::Many => false,
        }
    }
}

/// The readings of a series that count for the rule.
pub(crate) fn points(watched: &WatchedRule, moments: &Moments, position: i16) -> Vec<Point> {
    match watched.rule.condition {
        Condition::Absent { .. } => moments.signs_of_life(position),
        _ => moments.series(position),
    }
}

fn watches_series(watched: &WatchedRule, series: &Series, metric: &MetricRow) -> bool {
    let comparable = metric.is_numeric() || matches!(watched.rule.condition, Condition::Absent { .. });
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
    Series {
        source: stream.source.clone(),
        device: stream.device.clone(),
        channel: stream.channel.clone(),
        metric: metric.name.clone(),
        unit: metric.unit.clone(),
        tags: pipeline.tags_of(&stream.source, &stream.tags),
    }
}

fn longest_unwritten(lateness: SignedDuration) -> SignedDuration {
    LONGEST_UNWRITTEN.max(lateness)
}

fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn before(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_sub(duration).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::{SignedDuration, Timestamp};
    use rules::{Checkpoint, State};
    use store::alerts::Span;

    use super::{Plan, Start, Task};
    use crate::watched_rules::WatchedRules;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn spans(series: &[(i64, Option<i64>)], unseen: Option<i64>) -> Vec<(i64, Option<i64>)> {
        let pipeline = "sources: {s: {format: json}}\nrules: {Hot: {metric: t, above: 1}}";
        let pipeline = pipeline_config::Pipeline::parse(pipeline, "freshet.yaml").unwrap();
        let rules = WatchedRules::new(&pipeline.rules).unwrap();
        let watched = rules.iter().next().unwrap();
        let task = |(checkpoint, seen): &(i64, Option<i64>)| Task {
            watched,
            stream: 1,
            position: 0,
            start: Start::Checkpoint(Checkpoint { at: at(*checkpoint), state: State::default() }),
            seen: seen.map(at),
            expected: None,
        };
        let tasks = series.iter().map(task).collect();
        let plan = Plan {
            tasks,
            gone: Vec::new(),
            emptied: Vec::new(),
            series: BTreeMap::new(),
            unseen: unseen.map(at),
        };
        let second = |time: Timestamp| -(-time.as_microsecond()).div_euclid(1_000_000);
        let spans = plan.spans(SignedDuration::from_secs(900)).into_iter();
        spans.map(|Span { after, until }| (second(after), until.map(second))).collect()
    }

    #[test]
    fn a_series_that_is_reported_no_more_is_not_read_up_to_now() {
        assert_eq!(
            spans(&[(100, Some(1000)), (9_100, Some(10_000))], Some(20_060)),
            [(100, Some(4600)), (9_100, Some(13_600)), (20_060, None)]
        );
    }

    #[test]
    fn spans_that_meet_are_one() {
        assert_eq!(spans(&[(100, Some(1000)), (500, Some(1500))], Some(1200)), [(100, None)]);
        assert_eq!(spans(&[(100, Some(1000)), (500, Some(700))], None), [(100, Some(4600))]);
        assert_eq!(spans(&[(100, None), (500, Some(700))], Some(9000)), [(100, None)]);
        assert_eq!(spans(&[], Some(9000)), []);
    }
}
