//! One payload.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloudevents::AttributesReader as _;
use codecs::{CodecError, Codecs};
use jiff::Timestamp;
use payload::{Acceptance, Accepted, Carried, Refusal, is_watched};
use pipeline_config::Pipeline;
use rules::StreamNames;
use runtime::trace::TraceContext;
use runtime::{Prewarm, crash};
use store::active_pipeline;
use store::dead_letters::{self, DeadLetter, SentBack};
use store::fallbacks::{self, Fallbacks};
use store::{Database, EvaluationRequest, Observer, Payload, ResolvedStream, StoreError, Streams, Writer};

use crate::error::PersistError;
use crate::events::{Origin, Outgoing, Publication};
use crate::record::{self, Carrier, Parts};

/// How long `ingest` may have a pipeline file before it is put in force.
const ROLLOUT: Duration = Duration::from_secs(300);

/// How often a payload is tried whose streams are to be found anew.
const ATTEMPTS: u32 = 3;

/// What payloads are persisted with.
#[derive(Debug)]
pub struct PersistParts {
    /// Sources and rules.
    pub pipeline: Pipeline,
    /// What runs the scripts of sources that have some.
    pub codecs: Codecs,
    /// Where rows go.
    pub database: Database,
    /// The stages that start while something is written that a rule watches.
    pub prewarm: Prewarm,
    /// The stage at work: its name in dead letters and events.
    pub stage: &'static str,
}

/// Writes payloads, with everything that must stand in the same transaction.
#[derive(Debug, Clone)]
pub struct Persist {
    pub(crate) parts: Arc<PersistParts>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) writer: Writer,
    /// Whether the database could not be written to when it was tried last.
    was_away: Arc<AtomicBool>,
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
        Self { parts: Arc::new(parts), streams: Arc::new(streams), writer, was_away: Arc::default() }
    }

    /// The same with a writer of the current thread ([`Writer::on_this_thread`]).
    #[must_use]
    pub fn on_this_thread(&self, database: Database) -> Self {
        Self {
            parts: Arc::clone(&self.parts),
            streams: Arc::clone(&self.streams),
            writer: self.writer.on_this_thread(database),
            was_away: Arc::clone(&self.was_away),
        }
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.parts.pipeline
    }

    /// Has `observer` know how many payloads each transaction holds.
    pub fn observe_batches(&self, observer: impl Fn(usize) + Send + Sync + 'static) {
        self.writer.observe(Observer(Box::new(observer)));
    }

    /// Records what went to the Broker in place of the database.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_fallbacks(&self, fallbacks: Fallbacks) -> Result<(), StoreError> {
        Ok(fallbacks::record(&self.parts.database.client().await?, fallbacks).await?)
    }

    /// Notes that a payload was refused at this time: its sender has it still. The next transaction records it.
    pub fn note_refusal(&self, at: Timestamp) {
        self.writer.note_refusal(at);
    }

    /// Records what was noted of refusals and no transaction has recorded, before a process ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_refusal(&self) -> Result<(), StoreError> {
        self.writer.record_refusal().await
    }

    /// Writes what an event carries; returns after the commit that holds it, with what is to be published. A second delivery
    /// writes nothing, and comes back with the same events.
    ///
    /// # Errors
    /// [`PersistError`].
    pub async fn one(&self, carried: &Carried, arrival: Arrival) -> Result<Vec<Publication>, PersistError> {
        self.after_outage(self.write_anew(carried, &arrival).await, || {
            Some(Origin::of(carried, arrival.now, arrival.trace.as_ref()))
        })
    }

    /// [`Self::write_one`]; again where names of devices lead elsewhere meanwhile.
    async fn write_anew(
        &self,
        carried: &Carried,
        arrival: &Arrival,
    ) -> Result<Vec<Publication>, PersistError> {
        for _ in 1..ATTEMPTS {
            match self.write_one(carried, arrival).await {
                Err(error) if error.is_of_registry() => {}
                written => return written,
            }
        }
        self.write_one(carried, arrival).await
    }

    /// `error`; where streams are to be found anew, those that were met are forgotten.
    pub(crate) fn noting_registry(&self, error: PersistError) -> PersistError {
        if error.is_of_registry() {
            self.forget_streams();
        }
        error
    }

    /// Finds all streams anew.
    pub fn forget_streams(&self) {
        self.streams.forget();
    }

    /// `written`; after an outage, also that dead letters are due: what could not be written meanwhile is among them.
    pub(crate) fn after_outage(
        &self,
        written: Result<Vec<Publication>, PersistError>,
        origin: impl FnOnce() -> Option<Origin>,
    ) -> Result<Vec<Publication>, PersistError> {
        match written {
            Ok(mut publications) => {
                if self.was_away.swap(false, Ordering::Relaxed)
                    && let Some(origin) = origin()
                {
                    publications.push(origin.dead_letters_due(self.parts.stage)?);
                }
                Ok(publications)
            }
            Err(error) => self.noting_outage(Err(error)),
        }
    }

    /// `done`; where it failed because the database was away, that is remembered.
    pub(crate) fn noting_outage<T>(&self, done: Result<T, PersistError>) -> Result<T, PersistError> {
        if done.as_ref().is_err_and(PersistError::is_of_database) {
            self.was_away.store(true, Ordering::Relaxed);
        }
        done
    }

    /// The payload, once scripts have decoded what they are to decode of it.
    ///
    /// # Errors
    /// [`CodecError`].
    pub async fn complete<'p>(&self, acceptance: Acceptance<'p>) -> Result<Accepted<'p>, CodecError> {
        self.parts.codecs.complete(acceptance).await
    }

    /// The same for an event that was accepted already.
    ///
    /// # Errors
    /// [`PersistError`].
    pub async fn accepted(
        &self,
        carried: &Carried,
        accepted: Accepted<'_>,
        arrival: Arrival,
    ) -> Result<Vec<Publication>, PersistError> {
        let written = match self.write_accepted(carried, accepted, &arrival).await {
            Err(error) if error.is_of_registry() => self.write_anew(carried, &arrival).await,
            written => written,
        };
        self.after_outage(written, || Some(Origin::of(carried, arrival.now, arrival.trace.as_ref())))
    }

    async fn write_one(
        &self,
        carried: &Carried,
        arrival: &Arrival,
    ) -> Result<Vec<Publication>, PersistError> {
        crash::on_event("decode", carried.event().id());
        let accepted = Accepted::of_event(carried, &self.parts.pipeline, arrival.delivered_at);
        if accepted.as_ref().is_err_and(Refusal::is_of_pipeline) {
            self.decides_on(&[carried], arrival.now).await?;
        }
        let accepted = self.complete(accepted?).await?;
        self.write_accepted(carried, accepted, arrival).await
    }

    async fn write_accepted(
        &self,
        carried: &Carried,
        mut accepted: Accepted<'_>,
        Arrival { now, trace, .. }: &Arrival,
    ) -> Result<Vec<Publication>, PersistError> {
        let now = *now;
        let carrier = Carrier::Event(carried);
        let resolved = self.streams.resolve(&record::samples(carrier.receipt_id(), &accepted)).await;
        let resolved = resolved.map_err(PersistError::Streams)?;
        record::leave_out(&mut accepted, &resolved);
        let requests = self.requests(&accepted, &resolved.streams);
        let mut outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        outgoing.add(&accepted, &resolved, &requests, || {
            Origin::of(carried, accepted.received_at, trace.as_ref())
        });
        if outgoing.requests_evaluation() {
            self.parts.prewarm.send();
        }
        let publications = outgoing.publications()?;
        let failed = (self.parts.stage, now);
        let (trace, pipeline) = (trace.clone(), self.parts.pipeline.hash_number());
        let parts = Parts { carrier, accepted: &accepted, requests, trace, place: None, pipeline, failed };
        let payload = record::payload(parts, resolved);
        crash::point("before-write");
        let sent_back = resolved_by(&payload, carrier);
        let written = self.writer.write(payload).await;
        let written = written.map_err(|error| self.noting_registry(error.into()))?;
        crash::point("after-commit");
        self.resolve(sent_back.as_slice(), now).await.map_err(PersistError::DeadLetters)?;
        let (source, outcome) = (accepted.origin.name, accepted.outcome.as_str());
        tracing::debug!(source, ?written, outcome, "written");
        Ok(publications)
    }

    /// Whether our file decides on payloads of which it does not know the source, or another may know it: the one in force, or
    /// the next, which `ingest` had before it was put in force.
    pub(crate) async fn decides_on(&self, unknown: &[&Carried], now: Timestamp) -> Result<(), PersistError> {
        let client = self.parts.database.client().await.map_err(PersistError::Pipeline)?;
        let in_force = active_pipeline::in_force(&client).await;
        let in_force = in_force.map_err(|error| PersistError::Pipeline(error.into()))?;
        let Some((in_force, since)) = in_force else { return Ok(()) };
        let ours = &self.parts.pipeline.hash;
        let by_next = |carried: &&Carried| {
            let accepted = carried.accepted_by();
            accepted.is_some_and(|(by, at)| !ours.starts_with(&*by) && at > since && now <= at + ROLLOUT)
        };
        if in_force != *ours || unknown.iter().any(by_next) {
            return Err(PersistError::NotInForce);
        }
        Ok(())
    }

    /// Resolves what was sent back and is stored now. Where this does not come to pass, the event comes again and is found stored.
    pub(crate) async fn resolve(&self, sent_back: &[SentBack], at: Timestamp) -> Result<(), StoreError> {
        if sent_back.is_empty() {
            return Ok(());
        }
        let client = self.parts.database.client().await?;
        for one in sent_back {
            dead_letters::resolve(&client, one, at).await?;
        }
        Ok(())
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

/// The dead letter that is resolved once `payload` is stored: the one that its event was, unless it is kept anew with it.
pub(crate) fn resolved_by(payload: &Payload, carrier: Carrier<'_>) -> Option<SentBack> {
    let kept = payload.dead_letter.as_ref().map(DeadLetter::id);
    carrier.sent_back().filter(|sent_back| Some(sent_back.id) != kept)
}
