//! One stream: read, decided and written in one transaction, under its lock.

use deadpool_postgres::Transaction;
use event_model::alert::AlertId;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use rules::{Change, Horizon};
use runtime::crash;
use store::alerts::{self, Mark};
use tokio_postgres::Error;

use crate::decide::{Decision, Past, decide};
use crate::heartbeats::HeartbeatCache;
use crate::plan::{Plan, Start, Task};
use crate::watch::Watch;
use crate::write::{Writer, Written};

/// What a visit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visited {
    /// Another has the stream.
    Busy,
    /// Evaluated.
    Done {
        written: Written,
        /// When a heartbeat may change one of its series.
        deadline: Option<Timestamp>,
    },
}

/// A visit under way. The transaction is the caller's to commit.
pub(crate) struct Visit<'a> {
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) watches: &'a [Watch],
    pub(crate) stream: i32,
    pub(crate) now: Timestamp,
}

impl Visit<'_> {
    pub(crate) async fn run(self, heartbeats: &mut HeartbeatCache) -> Result<Visited, Error> {
        if !alerts::try_lock(self.transaction, self.stream).await? {
            return Ok(Visited::Busy);
        }
        let mark = alerts::mark(self.transaction, self.stream).await?;
        let states = alerts::states(self.transaction, self.stream).await?;
        let nothing_to_do = mark.is_none() && states.is_empty();
        let stream = if nothing_to_do { None } else { alerts::stream(self.transaction, self.stream).await? };
        let mut written = Written::default();
        let mut deadline = None;
        if let Some(stream) = stream {
            let plan = Plan::new(self.watches, self.pipeline, &stream, (states, mark.as_ref()));
            let decisions = self.decide(&plan, heartbeats).await?;
            deadline = decisions.iter().filter_map(|(_, decision)| decision.state.deadline).min();
            crash::point("before-write");
            written = self.write(&plan, decisions, mark.as_ref()).await?;
        }
        if let Some(mark) = &mark {
            alerts::remove_mark(self.transaction, self.stream, mark).await?;
        }
        Ok(Visited::Done { written, deadline })
    }

    async fn decide<'p>(
        &self,
        plan: &'p Plan<'_>,
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Vec<(&'p Task<'p>, Decision)>, Error> {
        let lateness = self.pipeline.lateness;
        let reads_from = plan.tasks.iter().map(|task| task.reads_from(lateness)).min();
        let Some(reads_from) = reads_from else { return Ok(Vec::new()) };
        let moments = alerts::moments(self.transaction, self.stream, reads_from).await?;
        let counts_from = plan.tasks.iter().filter_map(|task| task.counts_from(lateness)).min();
        let heartbeats = heartbeats.known(self.transaction, counts_from, self.now).await?;
        let mut decisions = Vec::new();
        for task in &plan.tasks {
            let past = self.past(task).await?;
            let points = moments.series(task.position);
            let decision = decide(task, &points, &past, Horizon { heartbeats, lateness });
            decisions.extend(decision.map(|decision| (task, decision)));
        }
        Ok(decisions)
    }

    async fn past(&self, task: &Task<'_>) -> Result<Past, Error> {
        let alert = AlertId { rule: &task.watch.rule.name, stream: self.stream, position: task.position };
        let from = task.reads_from(self.pipeline.lateness);
        let effective = alerts::effective_transitions(self.transaction, alert, from).await?;
        let newest = match task.start {
            Start::Checkpoint(_) => None,
            Start::First { .. } | Start::Afresh { .. } => {
                alerts::newest_effective(self.transaction, alert).await?
            }
        };
        Ok(Past { effective, newest })
    }

    async fn write(
        &self,
        plan: &Plan<'_>,
        decisions: Vec<(&Task<'_>, Decision)>,
        mark: Option<&Mark>,
    ) -> Result<Written, Error> {
        let mut writer = Writer {
            transaction: self.transaction,
            pipeline: self.pipeline,
            stream: self.stream,
            now: self.now,
            traceparent: mark
                .and_then(|mark| mark.traceparent.clone())
                .or_else(runtime::trace::current_traceparent),
            written: Written::default(),
        };
        for (task, decision) in decisions {
            let series = &plan.series[&task.position];
            for change in &decision.changes {
                match change {
                    Change::Record(transition) => writer.record(task, series, *transition).await?,
                    Change::Retract(row) => writer.retract(task, row.id).await?,
                }
            }
            alerts::upsert_state(self.transaction, self.stream, &decision.state, self.now).await?;
        }
        for state in &plan.gone {
            if state.status.is_firing() {
                writer.end(state, plan.series.get(&state.position)).await?;
            }
            alerts::delete_state(self.transaction, self.stream, &state.rule, state.position).await?;
        }
        Ok(writer.written)
    }
}
