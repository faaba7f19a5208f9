//! A run over all streams that are due, batch by batch, within bounds.

use std::time::Duration;

use jiff::SignedDuration;
use pipeline_config::Pipeline;
use runtime::{Clock, Deadline, Prewarm, crash};
use store::{Client, Database, StoreError, Transaction, active_pipeline, alerts};

use crate::batch::{Batch, Evaluated};
use crate::examine::{Examination, LONGEST};
use crate::heartbeats::HeartbeatCache;
use crate::look::Work;
use crate::watched_rules::WatchedRules;

/// A run that has queued notifications goes on for so long at most: what it is answered with wakes `notify`.
const LONGEST_UNTOLD: Duration = Duration::from_secs(1);

/// Evaluates the pipeline's rules where its rows say that they are due.
#[derive(Debug)]
pub struct Evaluator {
    /// Where the rows are.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// The pipeline file; while another one is in force nothing is evaluated.
    pub pipeline: Pipeline,
    /// Its rules.
    pub rules: WatchedRules,
    /// Woken while a transition with notifications is committed.
    pub prewarm: Prewarm,
}

/// What a run looks for beside evaluation requests and deadlines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope {
    /// Look for states that changed or removed rules have left.
    pub other_rules: bool,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transitions recorded, retractions among them.
    pub transitions: u32,
    /// Notifications queued for them.
    pub notifications: u32,
    /// Evaluations of streams.
    pub streams: u32,
    /// Those of them that failed: the stream is put off.
    pub put_off: u32,
    /// How long the request that waited longest did.
    pub waited: SignedDuration,
    /// The time was up before all streams that are due were evaluated.
    pub more: bool,
}

impl Evaluator {
    /// Evaluates all streams with an evaluation request, and those whose deadline a heartbeat has reached.
    ///
    /// # Errors
    /// Where the database is not there; what was committed before stays. A stream that fails by itself is logged and put off: its
    /// request stays.
    pub async fn run(&self, scope: Scope, deadline: Deadline) -> Result<Summary, StoreError> {
        let mut client = self.database.client().await?;
        let mut summary = Summary::default();
        if active_pipeline::hash(&client).await?.as_ref() != Some(&self.pipeline.hash) {
            tracing::warn!("the pipeline file is not the active one; nothing is evaluated");
            return Ok(summary);
        }
        let mut heartbeats = HeartbeatCache::new(self.pipeline.tick);
        let mut work = Work::new(&self.rules, scope.other_rules, self.clock.now());
        let (mut steps, untold) = (deadline.steps(LONGEST), Deadline::within(LONGEST_UNTOLD));
        while work.is_left(&mut client, self.clock.now()).await? {
            let is_over = steps.next().is_none() || summary.notifications > 0 && untold.left().is_zero();
            let Some(streams) = work.take().filter(|_| !is_over) else {
                summary.more = true;
                break;
            };
            self.evaluate(&mut client, &streams, &mut heartbeats, (&mut work, &mut summary)).await?;
        }
        // Without any progress going on is of no use.
        summary.more = (summary.more || work.has_left()) && summary.streams > 0;
        Ok(summary)
    }

    /// Evaluates a batch. One that is too large, or that the database refuses for its data, is evaluated in halves; a stream that
    /// fails alone is put off.
    async fn evaluate(
        &self,
        client: &mut Client,
        streams: &[i32],
        heartbeats: &mut HeartbeatCache,
        (work, summary): (&mut Work<'_>, &mut Summary),
    ) -> Result<(), StoreError> {
        let evaluated = match self.transact(client, streams, heartbeats).await {
            Err(error) if error.is_data_error() || error.is_too_large() => {
                if let [stream] = *streams {
                    could_not_be_evaluated(stream, &error);
                    summary.put_off += 1;
                    return alerts::put_off(&*client, stream, self.clock.now()).await;
                }
                None
            }
            evaluated => evaluated?,
        };
        let Some(Evaluated { streams: evaluated, left, is_part, oldest, written }) = evaluated else {
            let (left, right) = streams.split_at(streams.len() / 2);
            work.put_in_front(right);
            work.put_in_front(left);
            return Ok(());
        };
        work.leave(&left);
        if is_part {
            work.put_in_front(streams);
        }
        let waited = oldest.map(|oldest| self.clock.now().duration_since(oldest));
        summary.waited = summary.waited.max(waited.unwrap_or_default());
        summary.transitions += written.transitions;
        summary.notifications += written.notifications;
        summary.streams += u32::try_from(evaluated).unwrap_or(u32::MAX);
        Ok(())
    }

    async fn transact(
        &self,
        client: &mut Client,
        streams: &[i32],
        heartbeats: &mut HeartbeatCache,
    ) -> Result<Option<Evaluated>, StoreError> {
        let transaction = Transaction::begin(client).await?;
        let Self { pipeline, rules, clock, .. } = self;
        let batch = Batch(Examination { pipeline, rules, transaction: &transaction, now: clock.now() });
        let Some(evaluated) = batch.evaluate(streams, heartbeats).await? else { return Ok(None) };
        if evaluated.written.notifications > 0 {
            self.prewarm.send();
        }
        transaction.commit().await?;
        crash::point("after-commit");
        Ok(Some(evaluated))
    }
}

fn could_not_be_evaluated(stream: i32, error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::error!(stream, error, "a stream could not be evaluated and is put off");
}
