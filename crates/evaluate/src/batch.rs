//! A batch of streams: read, decided and written in one transaction, under their locks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::try_join4;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::Horizon;
use runtime::crash;
use store::alerts::{self, Moments, Request};
use store::{StoreError, Transaction};

use crate::decide::{Decision, Past, decide};
use crate::heartbeats::HeartbeatCache;
use crate::plan::{Known, Plan, Start, Task, points};
use crate::succession::{Sibling, end, takes_over};
use crate::watched_rules::WatchedRules;
use crate::write::{Changes, Written};

/// Moments that are held in memory for several streams.
const MOST_MOMENTS: usize = 20_000;
/// Moments that are held in memory for one stream. What has more of them unseen is evaluated as it stood at one time after the other.
const MOST_ALONE: usize = 100_000;
/// The same where so many lie in the lateness window before the first that is unseen: a stream with more is put off.
const MOST_AT_ALL: usize = 250_000;

/// The longest that one statement may take: a stream that needs longer by itself is put off.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// What an evaluation of a batch came to.
#[derive(Debug, Default)]
pub(crate) struct Evaluated {
    /// Streams that had something unseen, or a deadline that was reached, or a state of another rule.
    pub(crate) streams: usize,
    /// Those in a shard that another process has.
    pub(crate) left: Vec<i32>,
    /// It was one stream, of which more is unseen.
    pub(crate) is_part: bool,
    /// Since when the oldest of the requests waited.
    pub(crate) oldest: Option<Timestamp>,
    /// What was written.
    pub(crate) written: Written,
}

/// What was decided.
#[derive(Default)]
struct Decided<'p> {
    decisions: Vec<(&'p Task<'p>, Decision)>,
    /// With the moments up to this one alone.
    until: Option<Timestamp>,
}

/// Moments by stream, and until when where they are not all.
type Read = (BTreeMap<i32, Moments>, Option<Timestamp>);

/// A batch under way. The transaction is the caller's to commit.
pub(crate) struct Batch<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) rules: &'a WatchedRules,
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) now: Timestamp,
}

impl Batch<'_> {
    /// Evaluates the streams but for those in a shard that another process has; `None` where they have more moments than fit beside
    /// each other, and nothing was done.
    pub(crate) async fn evaluate(
        &self,
        streams: &[i32],
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Option<Evaluated>, StoreError> {
        let shards: BTreeSet<_> = streams.iter().map(|stream| alerts::shard_of(*stream)).collect();
        let limit = u32::try_from(LONGEST.as_millis()).unwrap_or(u32::MAX);
        let locked = alerts::lock_shards(self.transaction, &shards, limit).await?;
        let is_locked = |stream: &i32| locked.contains(&alerts::shard_of(*stream));
        let (locked, left): (Vec<i32>, Vec<i32>) = streams.iter().partition(|stream| is_locked(stream));
        if locked.is_empty() {
            return Ok(Some(Evaluated { left, ..Evaluated::default() }));
        }
        let (plans, requests) = self.plan(&locked).await?;
        let alone = requests.iter().next().filter(|_| locked.len() == 1);
        let Some(read) = self.moments(&plans, locked.len(), alone).await? else { return Ok(None) };
        let Decided { decisions, until } = self.decide(&plans, read, heartbeats).await?;
        crash::point("before-write");
        let (pipeline, now) = (self.pipeline, self.now);
        let is_due = |stream: &&i32| requests.contains_key(stream) || plans.contains_key(stream);
        let streams = locked.iter().filter(is_due).count();
        let written = if plans.is_empty() {
            Written::default()
        } else {
            let changes = Changes { pipeline, plans: &plans, decisions, requests: &requests, now };
            changes.write(self.transaction).await?
        };
        match (until, alone) {
            (Some(seen), Some((stream, request))) => {
                alerts::shorten_request(self.transaction, *stream, request, seen).await?;
            }
            _ => alerts::remove_requests(self.transaction, &requests).await?,
        }
        let oldest = requests.values().map(|request| request.requested_at).min();
        Ok(Some(Evaluated { streams, left, is_part: until.is_some(), oldest, written }))
    }

    /// The work on each stream that has any, and the requests that are answered by it.
    async fn plan(
        &self,
        streams: &[i32],
    ) -> Result<(BTreeMap<i32, Plan<'_>>, BTreeMap<i32, Request>), StoreError> {
        let (requests, states, names, heartbeat) = try_join4(
            alerts::requests(self.transaction, streams),
            alerts::states(self.transaction, streams),
            alerts::streams(self.transaction, streams),
            alerts::newest_heartbeat(self.transaction),
        )
        .await?;
        let mut states_of = BTreeMap::<i32, Vec<_>>::new();
        for state in states {
            states_of.entry(state.stream).or_default().push(state);
        }
        let Self { rules, pipeline, .. } = *self;
        let known = Known { rules, pipeline, heartbeat };
        let mut plans = BTreeMap::new();
        for (id, stream) in &names {
            let (states, request) = (states_of.remove(id).unwrap_or_default(), requests.get(id));
            let plan = Plan::new(known, (*id, stream), states, request);
            if !plan.is_empty() {
                plans.insert(*id, plan);
            }
        }
        Ok((plans, requests))
    }

    /// The moments that the plans need; `None` where those of several streams are too many. Those of one stream `alone` with a request are
    /// cut where they are too many, and the time of the last one stands beside them.
    async fn moments(
        &self,
        plans: &BTreeMap<i32, Plan<'_>>,
        streams: usize,
        alone: Option<(&i32, &Request)>,
    ) -> Result<Option<Read>, StoreError> {
        let lateness = self.pipeline.lateness;
        let spans_of = |(stream, plan): (&i32, &Plan<'_>)| {
            let stream = *stream;
            plan.spans(lateness).into_iter().map(move |span| (stream, span))
        };
        let spans: Vec<_> = plans.iter().flat_map(spans_of).collect();
        if spans.is_empty() {
            return Ok(Some((BTreeMap::new(), None)));
        }
        let most = if streams > 1 { MOST_MOMENTS } else { MOST_ALONE };
        let (moments, is_all) = alerts::moments(self.transaction, &spans, most).await?;
        if is_all {
            return Ok(Some((moments, None)));
        }
        if streams > 1 {
            return Ok(None);
        }
        let until = moments.values().filter_map(Moments::newest).max();
        // The request gets on where some of what is unseen is among them.
        let until = until.filter(|until| alone.is_some_and(|(_, request)| request.from <= *until));
        if until.is_some() {
            return Ok(Some((moments, until)));
        }
        let (moments, is_all) = alerts::moments(self.transaction, &spans, MOST_AT_ALL).await?;
        if is_all { Ok(Some((moments, None))) } else { Err(StoreError::TooManyMoments { most: MOST_AT_ALL }) }
    }

    async fn decide<'p>(
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
