//! The stage: decode, find the streams, decide what is watched, write, tell.

use cloudevents::{AttributesReader as _, Event};
use decoders::{Context, DecodeError, Decoded};
use event_model::event_types::TICK;
use pipeline_config::Pipeline;
use stage::{Clock, Delivery, Outcome, Stage, crash};
use store::{Database, Located, Sighting, StoreError, Streams, WriteError, Writer, pulses};

use crate::entry::{self, Facts};
use crate::payload::{self, Payload, PayloadError};
use crate::reply;
use crate::watch;

/// Stores what payloads hold, and records the pulse.
pub struct Transform {
    pipeline: Pipeline,
    database: Database,
    streams: Streams,
    writer: Writer,
    clock: Clock,
}

impl Transform {
    /// A stage over `database`, which is first connected to when an event needs it.
    pub fn new(pipeline: Pipeline, database: Database, clock: Clock) -> Self {
        let (streams, writer) = (Streams::new(database.clone()), Writer::start(&database));
        Self { pipeline, database, streams, writer, clock }
    }
}

impl Stage for Transform {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        if event.ty() == TICK {
            return self.pulse(&event).await;
        }
        match payload::open(&self.pipeline, &event, &delivery) {
            Ok(payload) => self.store(&event, &delivery, &payload).await,
            Err(PayloadError::NotOurs) => Outcome::Skip,
            Err(error @ PayloadError::UnknownSource(_)) => Outcome::Rejected(error.to_string()),
            Err(error @ (PayloadError::Request(_) | PayloadError::NoData)) => Outcome::Malformed(error.to_string()),
        }
    }
}

impl Transform {
    async fn pulse(&self, event: &Event) -> Outcome {
        // The time at which it came through, not the one at which it was sent: ticks that waited are one pulse.
        let now = event_model::reading::truncate_to_micros(self.clock.now());
        let recorded = async {
            let client = self.database.client().await?;
            pulses::record(&client, now).await.map_err(StoreError::from)
        };
        match recorded.await {
            Ok(()) => replied(reply::pulse_recorded(event, now)),
            Err(error) => unavailable(&error),
        }
    }

    async fn store(&self, event: &Event, delivery: &Delivery, payload: &Payload<'_>) -> Outcome {
        let context = Context { profile: &payload.source.profile, received_at: payload.received_at };
        let decoded = payload.decoder.decode(&payload.request, context);
        let (decoded, whole) = match decoded {
            Ok(decoded) => (decoded, None),
            Err(DecodeError(problem)) => (Decoded::default(), Some(problem)),
        };
        let receipt_id = event_model::ids::of_receipt(event.source(), event.id());
        let sighting = Sighting {
            source: payload.name,
            source_tags: &payload.source.tags,
            device_tags: &decoded.tags,
            received_at: payload.received_at,
            receipt_id,
            readings: &decoded.readings,
        };
        let located = match self.streams.locate(&sighting).await {
            Ok(located) => located,
            Err(error) if error.is_data_error() => return Outcome::Rejected(error.to_string()),
            Err(error) => return unavailable(&error),
        };
        let marks = watch::marks(&self.pipeline.rules, payload.name, &located);
        let watched = !marks.is_empty();
        let facts = Facts { event, delivery, payload, receipt_id, now: self.clock.now() };
        let entry = entry::write(facts, &located, marks, &decoded, whole);
        crash::point("before-write");
        // A duplicate is answered as the first delivery was: whoever missed that answer needs this one.
        if let Err(error) = self.writer.write(entry).await {
            return refused(&error);
        }
        crash::point("after-commit");
        tell(event, payload, &located, watched)
    }
}

fn tell(event: &Event, payload: &Payload<'_>, located: &Located, watched: bool) -> Outcome {
    if located.streams.is_empty() {
        return Outcome::Done;
    }
    replied(reply::readings_recorded(event, payload.name, located, watched))
}

fn replied(event: Result<Event, event_model::cloudevent::EventError>) -> Outcome {
    match event {
        Ok(event) => Outcome::Reply(Box::new(event)),
        Err(error) => Outcome::Rejected(error.to_string()),
    }
}

fn unavailable(error: &StoreError) -> Outcome {
    tracing::warn!(error = error as &dyn std::error::Error, "the database did not take an event");
    Outcome::Unavailable(error.to_string())
}

fn refused(error: &WriteError) -> Outcome {
    tracing::warn!(error = error as &dyn std::error::Error, "a payload was not written");
    match error {
        WriteError::Data(_) => Outcome::Rejected(error.to_string()),
        WriteError::Unavailable(_) | WriteError::Twin | WriteError::Closed => Outcome::Unavailable(error.to_string()),
    }
}
