//! The stage: one event, persisted, and what follows from it.

use std::error::Error;

use cloudevents::{AttributesReader as _, Event};
use codecs::Codecs;
use event_model::event_types::HELD_PAYLOADS_DUE;
use payload::Carried;
use persist::{Arrival, Persist, PersistError, PersistParts, Swept};
use pipeline_config::Pipeline;
use runtime::{Clock, Deadline, Prewarm};
use sink::{HttpSink, Sink as _, SinkError};
use stage::telemetry::PersistMetrics;
use stage::{Delivery, Outcome, Stage};
use store::Database;

/// The stage's name, also in dead letters.
pub(crate) const STAGE: &str = "transform";

/// Stores what payloads hold.
#[derive(Debug)]
pub struct Transform {
    persist: Persist,
    sink: HttpSink,
    clock: Clock,
}

/// What the stage is made of.
#[derive(Debug)]
pub struct TransformParts {
    /// Sources and rules.
    pub pipeline: Pipeline,
    /// Where rows go.
    pub database: Database,
    /// The stages that start while something is written that a rule watches.
    pub prewarm: Prewarm,
    /// Where events go beside the one that is the answer.
    pub sink: HttpSink,
    /// The time.
    pub clock: Clock,
}

impl Transform {
    /// Must be called within a Tokio runtime; nothing is connected before the first event.
    pub fn new(parts: TransformParts) -> Self {
        let TransformParts { pipeline, database, prewarm, sink, clock } = parts;
        let persist = Persist::new(PersistParts {
            pipeline,
            codecs: Codecs::default(),
            database,
            prewarm,
            stage: STAGE,
        });
        Self { persist, sink, clock }
    }

    /// The same, with what it measures.
    #[must_use]
    pub fn measured(self, metrics: PersistMetrics) -> Self {
        self.persist.observe_batches(move |payloads| metrics.batch(payloads));
        self
    }

    async fn sweep_held(&self, deadline: Deadline) -> Outcome {
        match self.persist.sweep_held(self.clock.now(), deadline).await {
            Ok(Swept { stored, given_up }) => {
                tracing::info!(stored, given_up, "looked at payloads that are held");
                Outcome::Done
            }
            Err(error) => Failure::Persist(error).outcome(),
        }
    }

    /// The first event is the answer; what there is beside it goes to the sink before.
    async fn take(&self, event: Event, delivery: Delivery) -> Result<Option<Event>, Failure> {
        let Delivery { received_at: delivered_at, trace, .. } = delivery;
        let arrival = Arrival { delivered_at, now: self.clock.now(), trace };
        let mut publications = self.persist.one(&Carried::new(event), arrival).await?.into_iter();
        let answer = publications.next();
        for publication in publications {
            self.sink.send(&publication.event, publication.trace.as_ref()).await?;
        }
        Ok(answer.map(|publication| publication.event))
    }
}

impl Stage for Transform {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        if event.ty() == HELD_PAYLOADS_DUE {
            return self.sweep_held(delivery.deadline()).await;
        }
        match self.take(event, delivery).await {
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
    Persist(#[from] PersistError),
    #[error("what follows from the payload is not published")]
    Publish(#[from] SinkError),
}

impl Failure {
    /// The answer; what the database said goes to the log alone, for it may quote values.
    fn outcome(&self) -> Outcome {
        let text = self.to_string();
        match self {
            Self::Persist(PersistError::Refused(refusal)) if refusal.status() == 400 => {
                Outcome::Malformed(text)
            }
            Self::Persist(PersistError::Refused(_)) => Outcome::Rejected(text),
            Self::Persist(error) if error.is_final() => self.logged(Outcome::Rejected(text)),
            Self::Persist(_) | Self::Publish(_) => self.logged(Outcome::Unavailable(text)),
        }
    }

    fn logged(&self, outcome: Outcome) -> Outcome {
        let error: &dyn Error = self;
        tracing::error!(error, "not written");
        outcome
    }
}
