//! A run over all streams that are due, batch by batch, within bounds.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use pipeline_config::Pipeline;
use runtime::{Clock, Deadline, Prewarm, crash};
use store::{Client, Database, StoreError, Transaction, active_pipeline, alerts};

use crate::batch::{Batch, Evaluated};
use crate::heartbeats::HeartbeatCache;
use crate::watched_rules::WatchedRules;

/// Streams in one transaction.
const BATCH: usize = 64;
/// Streams that are looked for at once.
const LOOK: usize = 1000;
/// The longest that a batch may take.
const LONGEST_BATCH: Duration = Duration::from_secs(5);
/// A stream that readings come for faster than it is evaluated does not hold up the others.
const ROUNDS: u32 = 5;

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

/// Where a run begins, and whether it also looks for states that changed or removed rules have left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The streams that come first.
    pub streams: Vec<i32>,
    /// Look for states of other rules.
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
    /// The time was up before all streams that are due were evaluated.
    pub more: bool,
}

/// Streams that are evaluated together, and how often they were already.
struct Round {
    streams: Vec<i32>,
    number: u32,
}

impl Evaluator {
    /// Evaluates the streams of `scope`, all with an evaluation request, and those whose deadline a heartbeat has reached.
    ///
    /// # Errors
    /// Where the database is not there; what was committed before stays. A stream that fails for its own data is logged and
    /// passed over: its request stays.
    pub async fn run(&self, scope: Scope, deadline: Deadline) -> Result<Summary, StoreError> {
        let mut client = self.database.client().await?;
        let mut summary = Summary::default();
        if active_pipeline::hash(&client).await?.as_ref() != Some(&self.pipeline.hash) {
            tracing::warn!("the pipeline file is not the active one; nothing is evaluated");
            return Ok(summary);
        }
        let mut heartbeats = HeartbeatCache::new(self.pipeline.tick);
        let mut seen = BTreeSet::new();
        let (mut rounds, mut is_all) = self.rounds(&client, &scope, &mut seen).await?;
        for () in deadline.steps(LONGEST_BATCH) {
            if rounds.is_empty() && !is_all {
                (rounds, is_all) = self.rounds(&client, &scope, &mut seen).await?;
            }
            let Some(round) = rounds.pop_front() else { break };
            self.evaluate(&mut client, round, &mut heartbeats, (&mut rounds, &mut summary)).await?;
        }
        // Without any progress going on is of no use.
        summary.more = (summary.more || !rounds.is_empty() || !is_all) && summary.streams > 0;
        Ok(summary)
    }

    /// Evaluates a batch, and puts in front of the others what has to be evaluated once more: both halves of a batch that is
    /// too large or that the database refuses for its data, and streams that became due meanwhile.
    async fn evaluate(
        &self,
        client: &mut Client,
        Round { streams, number }: Round,
        heartbeats: &mut HeartbeatCache,
        (rounds, summary): (&mut VecDeque<Round>, &mut Summary),
    ) -> Result<(), StoreError> {
        let evaluated = match self.transact(client, &streams, heartbeats).await {
            Err(error) if error.is_data_error() => {
                if let [stream] = streams[..] {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(stream, error, "a stream could not be evaluated");
                    return Ok(());
                }
                None
            }
            evaluated => evaluated?,
        };
        let Some(Evaluated { deadlines, written }) = evaluated else {
            let (left, right) = streams.split_at(streams.len() / 2);
            for half in [right, left] {
                rounds.push_front(Round { streams: half.to_vec(), number });
            }
            return Ok(());
        };
        summary.transitions += written.transitions;
        summary.notifications += written.notifications;
        summary.streams += u32::try_from(deadlines.len()).unwrap_or(u32::MAX);
        let (streams, deadlines): (Vec<_>, Vec<_>) = deadlines.into_iter().unzip();
        let due = alerts::still_due(&*client, &streams, &deadlines).await?;
        if number >= ROUNDS {
            summary.more |= !due.is_empty();
        } else if !due.is_empty() {
            rounds.push_front(Round { streams: due, number: number + 1 });
        }
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
        let batch = Batch { pipeline, rules, transaction: &transaction, now: clock.now() };
        let Some(evaluated) = batch.evaluate(streams, heartbeats).await? else { return Ok(None) };
        if evaluated.written.notifications > 0 {
            self.prewarm.send();
        }
        transaction.commit().await?;
        crash::point("after-commit");
        Ok(Some(evaluated))
    }

    /// The streams that this run has not seen, in batches: those of the scope first, then by how long they wait. And whether
    /// that is all there is.
    async fn rounds(
        &self,
        client: &Client,
        scope: &Scope,
        seen: &mut BTreeSet<i32>,
    ) -> Result<(VecDeque<Round>, bool), StoreError> {
        // What was evaluated is due no more; what another process has may be, and must not hide what comes after it.
        let most = LOOK + seen.len();
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut due = vec![alerts::requested_streams(client, limit).await?];
        if let Some(newest) = alerts::newest_heartbeat(client).await? {
            due.push(alerts::overdue_streams(client, newest, limit).await?);
        }
        if scope.other_rules {
            let current = self.rules.iter().map(|watched| (watched.rule.name.clone(), watched.hash.clone()));
            let (names, hashes): (Vec<_>, Vec<_>) = current.unzip();
            due.push(alerts::streams_of_other_rules(client, (&names, &hashes), limit).await?);
        }
        let is_all = due.iter().all(|streams| streams.len() < most);
        let mut streams: Vec<i32> = scope.streams.iter().copied().chain(due.into_iter().flatten()).collect();
        streams.retain(|stream| seen.insert(*stream));
        // Without anything new another look would find the same.
        let is_all = is_all || streams.is_empty();
        let rounds = streams.chunks(BATCH).map(|streams| Round { streams: streams.to_vec(), number: 1 });
        Ok((rounds.collect(), is_all))
    }
}
