//! One payload.

use jiff::Timestamp;
use payload::{Accepted, Carried, is_watched};
use pipeline_config::Pipeline;
use rules::StreamNames;
use runtime::trace::TraceContext;
use runtime::{Prewarm, crash};
use store::{Database, EvaluationRequest, ResolvedStream, Streams, Writer};

use crate::error::PersistError;
use crate::events::{Origin, Outgoing, Publication};
use crate::record::{self, Parts};

/// What payloads are persisted with.
#[derive(Debug)]
pub struct PersistParts {
    /// Sources and rules.
    pub pipeline: Pipeline,
    /// Where rows go.
    pub database: Database,
    /// The stages that start while something is written that a rule watches.
    pub prewarm: Prewarm,
    /// The stage at work: its name in dead letters and events.
    pub stage: &'static str,
}

/// Writes payloads, with everything that must stand in the same transaction.
#[derive(Debug)]
pub struct Persist {
    pub(crate) parts: PersistParts,
    pub(crate) streams: Streams,
    pub(crate) writer: Writer,
}

/// How an event came.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// When it was delivered.
    pub delivered_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// The trace that it belongs to (W3C Trace Context).
    pub trace: Option<TraceContext>,
}

impl Persist {
    /// Nothing is connected before the first payload. Must be called within a Tokio runtime.
    pub fn new(parts: PersistParts) -> Self {
        let (streams, writer) = (Streams::new(parts.database.clone()), Writer::start(&parts.database));
        Self { parts, streams, writer }
    }

    /// The pipeline.
    pub const fn pipeline(&self) -> &Pipeline {
        &self.parts.pipeline
    }

    /// Writes what an event carries; returns after the commit that holds it, with what is to be published. A second delivery
    /// writes nothing, and comes back with the same events.
    ///
    /// # Errors
    /// [`PersistError`].
    pub async fn one(&self, carried: &Carried, arrival: Arrival) -> Result<Vec<Publication>, PersistError> {
        let Arrival { delivered_at, now, trace } = arrival;
        let mut accepted = Accepted::of_event(carried, &self.parts.pipeline, delivered_at)?;
        let resolved = self.streams.resolve(&record::samples(carried, &accepted)).await;
        let resolved = resolved.map_err(PersistError::Streams)?;
        record::leave_out(&mut accepted, &resolved);
        let requests = self.requests(&accepted, &resolved.streams);
        let mut outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        outgoing.add(&accepted, &resolved, &requests, || {
            Origin::of(carried, accepted.received_at, trace.as_ref(), None)
        });
        if outgoing.requests_evaluation() {
            self.parts.prewarm.send();
        }
        let publications = outgoing.publications()?;
        let failed = (self.parts.stage, now);
        let parts = Parts { carried, accepted: &accepted, requests, trace, place: None, failed };
        let payload = record::payload(parts, resolved);
        crash::point("before-write");
        let written = self.writer.write(payload).await?;
        crash::point("after-commit");
        let (source, outcome) = (accepted.origin.name, accepted.outcome.as_str());
        tracing::debug!(source, ?written, outcome, "written");
        Ok(publications)
    }

    /// The streams that a rule watches, each from its earliest moment on.
    pub(crate) fn requests(
        &self,
        accepted: &Accepted<'_>,
        streams: &[ResolvedStream],
    ) -> Vec<EvaluationRequest> {
        let is_watched = |stream: &&ResolvedStream| {
            let ResolvedStream { device, channel, tags, metrics, .. } = stream;
            let stream = StreamNames { source: accepted.origin.name, device, channel, tags };
            is_watched(&self.parts.pipeline.rules, stream, metrics)
        };
        let watched = streams.iter().filter(is_watched);
        watched.map(|stream| EvaluationRequest { stream_id: stream.id, from_at: stream.span().0 }).collect()
    }
}
