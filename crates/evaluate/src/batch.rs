//! A batch of streams: read, decided and written in one transaction, under their locks.

use std::collections::BTreeMap;

use futures_util::future::try_join3;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::{Condition, Horizon};
use runtime::crash;
use store::alerts::{self, Moments, Request};
use store::{StoreError, Transaction};

use crate::decide::{Decision, Past, decide};
use crate::heartbeats::HeartbeatCache;
use crate::plan::{Plan, Start, Task};
use crate::succession::{Sibling, end, takes_over};
use crate::watched_rules::WatchedRules;
use crate::write::{Changes, Written};

/// Moments that are held in memory for several streams; one stream alone may have more.
const MOST_MOMENTS: usize = 20_000;

/// What an evaluation of a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Evaluated {
    /// The streams, those that another process has left out, and when a heartbeat may change one of their series.
    pub(crate) deadlines: BTreeMap<i32, Option<Timestamp>>,
    /// What was written.
    pub(crate) written: Written,
}

/// A batch under way. The transaction is the caller's to commit.
pub(crate) struct Batch<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) rules: &'a WatchedRules,
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) now: Timestamp,
}

impl Batch<'_> {
    /// Evaluates the streams; `None` where they have more moments than fit beside each other, and nothing was done.
    pub(crate) async fn evaluate(
        &self,
        streams: &[i32],
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Option<Evaluated>, StoreError> {
        let locked = alerts::lock_streams(self.transaction, streams).await?;
        if locked.is_empty() {
            return Ok(Some(Evaluated::default()));
        }
        let (plans, requests) = self.plan(&locked).await?;
        let most = (locked.len() > 1).then_some(MOST_MOMENTS);
        let Some(decisions) = self.decide(&plans, most, heartbeats).await? else { return Ok(None) };
        let mut deadlines: BTreeMap<_, _> = locked.into_iter().map(|stream| (stream, None)).collect();
        for (_, Decision { state, .. }) in &decisions {
            if let Some(earliest) = deadlines.get_mut(&state.stream) {
                *earliest = [*earliest, state.deadline].into_iter().flatten().min();
            }
        }
        crash::point("before-write");
        let (pipeline, now) = (self.pipeline, self.now);
        let changes = Changes { pipeline, plans: &plans, decisions, requests: &requests, now };
        let written = changes.write(self.transaction).await?;
        alerts::remove_requests(self.transaction, &requests).await?;
        Ok(Some(Evaluated { deadlines, written }))
    }

    /// The work on each stream that has any, and the requests that it answers.
    async fn plan(
        &self,
        streams: &[i32],
    ) -> Result<(BTreeMap<i32, Plan<'_>>, BTreeMap<i32, Request>), StoreError> {
        let (requests, states, names) = try_join3(
            alerts::requests(self.transaction, streams),
            alerts::states(self.transaction, streams),
            alerts::streams(self.transaction, streams),
        )
        .await?;
        let mut states_of = BTreeMap::<i32, Vec<_>>::new();
        for state in states {
            states_of.entry(state.stream).or_default().push(state);
        }
        let Self { rules, pipeline, .. } = self;
        let mut plans = BTreeMap::new();
        for (id, stream) in &names {
            let (states, request) = (states_of.remove(id).unwrap_or_default(), requests.get(id));
            if request.is_some() || !states.is_empty() {
                plans.insert(*id, Plan::new((rules, pipeline), (*id, stream), states, request));
            }
        }
        Ok((plans, requests))
    }

    async fn decide<'p>(
        &self,
        plans: &'p BTreeMap<i32, Plan<'_>>,
        most_moments: Option<usize>,
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Option<Vec<(&'p Task<'p>, Decision)>>, StoreError> {
        let lateness = self.pipeline.lateness;
        let tasks: Vec<&Task<'_>> = plans.values().flat_map(|plan| &plan.tasks).collect();
        if tasks.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let spans_of = |(stream, plan): (&i32, &Plan<'_>)| {
            let stream = *stream;
            plan.spans(lateness).into_iter().map(move |span| (stream, span))
        };
        let spans: Vec<_> = plans.iter().flat_map(spans_of).collect();
        let moments = alerts::moments(self.transaction, &spans, most_moments).await?;
        let Some(moments) = moments else { return Ok(None) };
        let pasts = self.pasts(&tasks).await?;
        let counts_from = tasks.iter().filter_map(|task| task.counts_from(lateness)).min();
        let heartbeats = heartbeats.known(self.transaction, counts_from, self.now).await?;
        let mut decisions = Vec::new();
        for (task, past) in tasks.into_iter().zip(pasts) {
            let moments = moments.get(&task.stream);
            let points_of = match task.watched.rule.condition {
                Condition::Absent { .. } => Moments::signs_of_life,
                _ => Moments::series,
            };
            let points = moments.map(|moments| points_of(moments, task.position)).unwrap_or_default();
            let mut decision = decide(task, &points, &past, Horizon { heartbeats, lateness });
            if let (Some(decision), Some(plan), Some(moments)) =
                (&mut decision, plans.get(&task.stream), moments)
            {
                succeed(task, decision, plan, moments);
            }
            decisions.extend(decision.map(|decision| (task, decision)));
        }
        Ok(Some(decisions))
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
