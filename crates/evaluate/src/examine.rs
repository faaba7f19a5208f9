//! What is loaded and decided of a batch of streams: of an evaluation, which then writes it, and of a preview, which does not.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::Horizon;
use store::alerts::{self, Moments, Request, Span, StateRow, StreamRow};
use store::{StoreError, Transaction};

use crate::decide::{Decision, Past, decide};
use crate::heartbeats::HeartbeatCache;
use crate::plan::{Known, Plan, Start, Task, points};
use crate::succession::{Sibling, end, takes_over};
use crate::watched_rules::WatchedRules;

/// Moments that are held in memory for several streams.
pub(crate) const MOST_MOMENTS: usize = 20_000;
/// Moments that are held in memory for one stream at most: one with more is not evaluated.
pub(crate) const MOST_AT_ALL: usize = 250_000;

/// The longest that one statement may take: a stream that needs longer by itself is put off.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// What the work on streams is planned by.
pub(crate) struct Loaded {
    pub(crate) requests: BTreeMap<i32, Request>,
    pub(crate) states: Vec<StateRow>,
    pub(crate) streams: BTreeMap<i32, StreamRow>,
    /// The newest heartbeat.
    pub(crate) heartbeat: Option<Timestamp>,
}

/// Moments by stream, and until when where they are not all.
pub(crate) type Read = (BTreeMap<i32, Moments>, Option<Timestamp>);

/// What was decided.
#[derive(Default)]
pub(crate) struct Decided<'p> {
    pub(crate) decisions: Vec<(&'p Task<'p>, Decision)>,
    /// With the moments up to this one alone.
    pub(crate) until: Option<Timestamp>,
}

/// A batch that is looked at within one transaction.
#[derive(Clone, Copy)]
pub(crate) struct Examination<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) rules: &'a WatchedRules,
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) now: Timestamp,
}

impl<'a> Examination<'a> {
    /// The work on each stream that has any, and the requests that are answered by it.
    pub(crate) fn plan(&self, loaded: Loaded) -> (BTreeMap<i32, Plan<'a>>, BTreeMap<i32, Request>) {
        let Loaded { requests, states, streams, heartbeat } = loaded;
        let mut states_of = BTreeMap::<i32, Vec<_>>::new();
        for state in states {
            states_of.entry(state.stream).or_default().push(state);
        }
        let Self { rules, pipeline, .. } = *self;
        let known = Known { rules, pipeline, heartbeat };
        let mut plans = BTreeMap::new();
        for (id, stream) in &streams {
            let (states, request) = (states_of.remove(id).unwrap_or_default(), requests.get(id));
            let plan = Plan::new(known, (*id, stream), states, request);
            if !plan.is_empty() {
                plans.insert(*id, plan);
            }
        }
        (plans, requests)
    }

    /// The parts of the streams' time whose moments the plans need.
    pub(crate) fn spans(&self, plans: &BTreeMap<i32, Plan<'_>>) -> Vec<(i32, Span)> {
        let lateness = self.pipeline.lateness;
        let spans_of = |(stream, plan): (&i32, &Plan<'_>)| {
            let stream = *stream;
            plan.spans(lateness).into_iter().map(move |span| (stream, span))
        };
        plans.iter().flat_map(spans_of).collect()
    }

    /// What becomes of each task, by the moments that its plan needs.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn decide<'p>(
        &self,
        plans: &'p BTreeMap<i32, Plan<'_>>,
        (moments, until): Read,
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Decided<'p>, StoreError> {
        let lateness = self.pipeline.lateness;
        let tasks: Vec<&Task<'_>> = plans.values().flat_map(|plan| &plan.tasks).collect();
        if tasks.is_empty() {
            return Ok(Decided::default());
        }
        let pasts = self.pasts(&tasks).await?;
        let counts_from = tasks.iter().filter_map(|task| task.counts_from(lateness)).min();
        let known = heartbeats.known(self.transaction, counts_from, self.now).await?;
        let then = until.map(|until| known.as_of(until));
        let heartbeats = then.as_ref().unwrap_or(known);
        let mut decisions = Vec::new();
        for (task, mut past) in tasks.into_iter().zip(pasts) {
            past.effective.retain(|row| until.is_none_or(|until| row.at <= until));
            let moments = moments.get(&task.stream);
            let points =
                moments.map(|moments| points(task.watched, moments, task.position)).unwrap_or_default();
            let mut decision = decide(task, points, &past, Horizon { heartbeats, lateness });
            if let (Some(decision), Some(plan), Some(moments)) =
                (&mut decision, plans.get(&task.stream), moments)
            {
                succeed(task, decision, plan, moments);
            }
            decisions.extend(decision.map(|decision| (task, decision)));
        }
        Ok(Decided { decisions, until })
    }

    /// What is recorded of each task's alert.
    async fn pasts(&self, tasks: &[&Task<'_>]) -> Result<Vec<Past>, StoreError> {
        let lateness = self.pipeline.lateness;
        let after: Vec<_> = tasks.iter().map(|task| (task.alert(), task.reads_from(lateness))).collect();
        let effective = alerts::effective_transitions(self.transaction, &after).await?;
        let starts_anew = |task: &&&Task<'_>| !matches!(task.start, Start::Checkpoint(_));
        let anew: Vec<_> = tasks.iter().filter(starts_anew).map(|task| task.alert()).collect();
        let mut newest = alerts::newest_effective(self.transaction, &anew).await?.into_iter();
        let past = |(task, effective)| {
            let newest = if starts_anew(&task) { newest.next().flatten() } else { None };
            Past { effective, newest }
        };
        Ok(tasks.iter().zip(effective).map(past).collect())
    }
}

/// Ends the alert of a series whose metric the device reports as another one.
fn succeed(task: &Task<'_>, decision: &mut Decision, plan: &Plan<'_>, moments: &Moments) {
    let (false, Some(newest)) = (matches!(task.start, Start::First { .. }), decision.state.newest_at) else {
        return;
    };
    let metric = plan.series.get(&task.position).map(|series| &series.metric);
    let others = plan.series.iter().filter(|(position, _)| **position != task.position);
    let at = others.filter(|(_, series)| Some(&series.metric) == metric).filter_map(|(position, _)| {
        let is_new = plan.tasks.iter().any(|other| {
            other.position == *position
                && std::ptr::eq(other.watched, task.watched)
                && matches!(other.start, Start::First { .. })
        });
        takes_over(newest, &Sibling { points: moments.series(*position), is_new })
    });
    if let Some(at) = at.min() {
        end(decision, at);
    }
}
