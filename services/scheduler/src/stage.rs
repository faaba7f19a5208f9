//! The stage: the heartbeat first, then what is due, then one event for each stage that has something to do.

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent::{self, EventError};
use event_model::event_types::{
    DEAD_LETTERS_DUE, EVALUATION_REQUESTED, HELD_PAYLOADS_DUE, NOTIFICATIONS_DUE, TICK,
};
use event_model::events::{DeadLettersDue, EvaluationRequested, HeldPayloadsDue, NotificationsDue};
use jiff::Timestamp;
use runtime::{Clock, crash};
use serde::Serialize;
use sink::{Sink as _, SinkError};
use stage::{Delivery, Outcome, Stage};
use store::due::{self, Due, Rules};
use store::registry::expected;
use store::{Client, Database, StoreError, Transaction, heartbeats, refusals, topic_offsets};
use thiserror::Error;

use crate::config::Config;
use crate::heartbeat::{Known, decide};
use crate::look::Look;

/// The `source` of its events.
const SOURCE: &str = "/stages/scheduler";

/// Transactions of a tick that make what expected devices lack; the next tick goes on.
const EXPECTED: u32 = 20;

/// Takes the tick.
pub struct Scheduler {
    config: Config,
    database: Database,
    clock: Clock,
}

/// Why a tick was not taken to its end.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Event(#[from] EventError),
}

impl Scheduler {
    /// A stage over `database`.
    pub const fn new(config: Config, database: Database, clock: Clock) -> Self {
        Self { config, database, clock }
    }

    async fn tick(&self, cause: &Event, delivery: &Delivery) -> Result<(), Failure> {
        let now = self.clock.now();
        let look = match self.config.queues.look(&self.database, &self.config.read).await {
            Ok(look) => Some(look),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "it is not known which payloads wait; the heartbeat waits too");
                None
            }
        };
        crash::point("before-write");
        self.heartbeat(now, look.as_ref()).await?;
        crash::point("after-commit");
        let (names, hashes) = &self.config.rules;
        let holding = &self.config.holding;
        let rules = Rules { pipeline: &self.config.pipeline, names, hashes, holding };
        self.expect(now).await;
        let client = self.database.client().await?;
        let due = due::due(&client, now, rules).await.map_err(StoreError::from)?;
        let jobs = self.due_jobs(&client, now).await;
        self.leave_topics(&client, now).await;
        drop(client);
        tracing::info!(?due, ?jobs, "the tick came");
        let to_drain = look.map_or(0, |look| look.to_drain);
        for event in events(cause, now, (due, to_drain), &jobs)? {
            self.config.sink.send(&event, delivery.trace.as_ref()).await?;
        }
        Ok(())
    }

    /// Has silence of devices counted that are expected and have not sent. Where that fails, what is due is done all the same.
    async fn expect(&self, now: Timestamp) {
        if let Err(error) = self.make_expected(now).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "silence of devices that have not sent is not counted");
        }
    }

    async fn make_expected(&self, now: Timestamp) -> Result<(), StoreError> {
        let Config { pipeline, number, awaited, .. } = &self.config;
        for _ in 0..EXPECTED {
            let mut client = self.database.client().await?;
            let transaction = Transaction::begin(&mut client).await?;
            let known_by = (pipeline.as_str(), *number);
            let of = |source: &str, device: &str| awaited.of(source, device);
            let more = expected::make_series(&transaction, (known_by, now), of).await?;
            transaction.commit().await?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// The jobs with a slot to work on. Where none can be made, what else is due is done all the same.
    async fn due_jobs(&self, client: &Client, now: Timestamp) -> Vec<String> {
        let Config { jobs, run, pipeline, .. } = &self.config;
        let jobs: Vec<_> = jobs.all().filter(|job| run.iter().any(|name| name == job.name)).collect();
        jobs::make_due(client, &jobs, (pipeline, now)).await.unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "no slots of jobs are made");
            Vec::new()
        })
    }

    /// Notes of the pipeline's own topics but the one that is read that they are not: topic mode was left, or its topic has another name.
    async fn leave_topics(&self, client: &Client, now: Timestamp) {
        let read: Vec<String> = self.config.queues.topic().map(str::to_owned).into_iter().collect();
        if let Err(error) = topic_offsets::leave_others(client, (None, now), &read).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "it is not noted which topics are not read any more");
        }
    }

    async fn heartbeat(&self, now: Timestamp, look: Option<&Look>) -> Result<(), StoreError> {
        let mut client = self.database.client().await?;
        let transaction = Transaction::begin(&mut client).await?;
        let earlier = heartbeats::earlier(&transaction).await?;
        // After the look: what left a queue unstored before it is among the dead letters by now.
        let dead_letters_wait = heartbeats::dead_letters_wait(&transaction, now).await?;
        let refused_at = refusals::newest(&transaction, now).await?;
        let refused = refused_at.is_some_and(|at| now.duration_since(at) <= self.config.tick);
        let decision = decide(earlier, Known { now, look, dead_letters_wait, refused });
        heartbeats::settle(&transaction, &decision.heartbeats, &decision.pending).await?;
        transaction.commit().await?;
        if decision.overdue > 0 {
            tracing::error!(
                "payloads have waited for more than an hour; devices may be reported silent for them"
            );
        }
        if let Some(refused_at) = refused_at.filter(|_| refused) {
            tracing::warn!(%refused_at, "a payload was refused, and may wait at its sender; this tick is no heartbeat");
        }
        if let Some(oldest) = decision.pending.first() {
            tracing::warn!(since = %oldest.at, dead_letters_wait, "payloads wait; the heartbeat waits too");
        }
        Ok(())
    }
}

/// One event for each stage that has something to do.
fn events(
    cause: &Event,
    now: Timestamp,
    (due, in_topic): (Due, u64),
    due_jobs: &[String],
) -> Result<Vec<Event>, EventError> {
    let mut events = Vec::new();
    if due.evaluation {
        events.push(event(cause, EVALUATION_REQUESTED, now, &EvaluationRequested { streams: Vec::new() })?);
    }
    if due.notifications > 0 {
        events.push(event(cause, NOTIFICATIONS_DUE, now, &NotificationsDue { due: due.notifications })?);
    }
    if due.dead_letters > 0 || in_topic > 0 {
        let data = DeadLettersDue { due: Some(due.dead_letters), in_topic: Some(in_topic) };
        events.push(event(cause, DEAD_LETTERS_DUE, now, &data)?);
    }
    if due.held > 0 {
        events.push(event(cause, HELD_PAYLOADS_DUE, now, &HeldPayloadsDue { due: Some(due.held) })?);
    }
    for job in due_jobs {
        events.push(jobs::due_event(cause, job, (SOURCE, now))?);
    }
    Ok(events)
}

fn event(
    cause: &Event,
    event_type: &str,
    now: Timestamp,
    data: &impl Serialize,
) -> Result<Event, EventError> {
    let mut event = cloudevent::effect(cause, event_type, SOURCE);
    cloudevent::set_time(&mut event, now);
    cloudevent::set_json(&mut event, data)?;
    Ok(event)
}

impl Stage for Scheduler {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        if event.ty() != TICK {
            return Outcome::Skip;
        }
        match self.tick(&event, &delivery).await {
            Ok(()) => Outcome::Done,
            Err(failure @ Failure::Event(_)) => Outcome::Rejected(failure.to_string()),
            Err(failure) => {
                let error: &dyn std::error::Error = &failure;
                tracing::warn!(error, "the tick is to come again");
                Outcome::Unavailable(failure.to_string())
            }
        }
    }
}
