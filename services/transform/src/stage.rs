//! The stage: decode -> load -> decide -> encode.

use std::error::Error;

use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent::EventError;
use event_model::event_types::TICK;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{Clock, Prewarm, crash};
use stage::{Delivery, Outcome, Stage};
use store::{Database, StoreError, Streams, WriteError, Writer, heartbeats};

use crate::backlog::Backlog;
use crate::content::Content;
use crate::locate::locate;
use crate::origin::{Origin, OriginError};
use crate::record::{self, Parts};
use crate::{reply, watch};

/// Stores what payloads hold.
#[derive(Debug)]
pub struct Transform {
    pipeline: Pipeline,
    database: Database,
    streams: Streams,
    writer: Writer,
    clock: Clock,
    prewarm: Prewarm,
    backlog: Option<Backlog>,
}

impl Transform {
    /// A stage over `database`. Must be called within a Tokio runtime.
    pub fn new(pipeline: Pipeline, database: Database, clock: Clock) -> Self {
        let streams = Streams::new(database.clone());
        let writer = Writer::start(&database);
        let prewarm = Prewarm::default();
        Self { pipeline, database, streams, writer, clock, prewarm, backlog: None }
    }

    /// Wakes these stages while it writes what a rule watches.
    #[must_use]
    pub fn waking(self, prewarm: Prewarm) -> Self {
        Self { prewarm, ..self }
    }

    /// Payloads are written by workers, and no heartbeat is recorded while they are behind.
    #[must_use]
    pub fn beside_workers(self, backlog: Option<Backlog>) -> Self {
        Self { backlog, ..self }
    }

    async fn take(&self, event: &Event, delivery: Delivery) -> Result<Option<Event>, Failure> {
        let origin = Origin::of(event, &self.pipeline, delivery.received_at)?;
        let content = Content::of(&origin);
        let located = locate(&self.streams, event, &origin, &content).await?;
        let marks = watch::marks(&self.pipeline, origin.name, &located.streams);
        let is_watched = !marks.is_empty();
        if is_watched {
            self.prewarm.send();
        }
        let answer = (origin.received_at, is_watched);
        let reply = reply::readings_recorded(event, origin.name, &located, answer)?;
        let traceparent = delivery.traceparent;
        let now = self.clock.now();
        let parts = Parts { event, origin: &origin, content: &content, marks, traceparent, now, place: None };
        let payload = record::payload(parts, located);
        crash::point("before-write");
        let written = self.writer.write(payload).await?;
        crash::point("after-commit");
        tracing::debug!(source = origin.name, ?written, outcome = content.outcome.as_str(), "written");
        Ok(reply)
    }

    async fn tick(&self, event: &Event) -> Result<Option<Event>, Failure> {
        let at: Timestamp = self.clock.now();
        if self.payloads_came_through().await {
            let client = self.database.client().await?;
            crash::point("before-write");
            heartbeats::record(&client, at).await.map_err(StoreError::from)?;
            crash::point("after-commit");
        }
        Ok(Some(reply::heartbeat_recorded(event, at)?))
    }
}

impl Transform {
    /// What waits for a worker may be of a device that only seems to be silent.
    async fn payloads_came_through(&self) -> bool {
        let Some(backlog) = &self.backlog else { return true };
        let is_written = backlog.is_written().await;
        if !is_written {
            tracing::warn!("payloads wait for a worker; no heartbeat is recorded");
        }
        is_written
    }
}

impl Stage for Transform {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        let taken =
            if event.ty() == TICK { self.tick(&event).await } else { self.take(&event, delivery).await };
        match taken {
            Ok(Some(reply)) => Outcome::Reply(Box::new(reply)),
            Ok(None) => Outcome::Done,
            Err(failure) => failure.outcome(),
        }
    }
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Reply(#[from] EventError),
}

impl Failure {
    /// The answer; what the database said goes to the log alone, for it may quote values.
    fn outcome(&self) -> Outcome {
        let text = self.to_string();
        match self {
            Self::Origin(OriginError::NotForUs) => Outcome::Skip,
            Self::Origin(OriginError::UnknownSource(_)) | Self::Reply(_) => Outcome::Rejected(text),
            Self::Origin(OriginError::NoSource | OriginError::Request(_)) => Outcome::Malformed(text),
            Self::Store(error) if error.is_data_error() => self.logged(Outcome::Rejected(text)),
            Self::Write(WriteError::Data(_)) => self.logged(Outcome::Rejected(text)),
            Self::Store(_) | Self::Write(_) => self.logged(Outcome::Unavailable(text)),
        }
    }

    fn logged(&self, outcome: Outcome) -> Outcome {
        let causes = std::iter::successors(self.source(), |error: &&dyn Error| (*error).source());
        let chain: Vec<String> = causes.map(ToString::to_string).collect();
        tracing::error!(error = %self, causes = chain.join(": "), "not written");
        outcome
    }
}
