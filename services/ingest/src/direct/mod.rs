//! Direct mode: a payload is rows before its sender has an answer.
//!
//! ```text
//! payload ─ database ── committed ──────────────────────────────> success
//!              └─ full, away or slow ─ Broker ── acknowledged ──> success, `transform` persists it
//!                                        └─ full ───────────────> 429
//!                                        └─ away, or keeps nothing > 503
//! ```
//!
//! It is the same event everywhere: one that the database may have taken, and that the Broker is then given, is stored once.

mod breaker;
mod fallbacks;
mod hints;
mod places;

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use cloudevents::AttributesReader as _;
use codecs::{CodecError, Codecs, Settings as CodecSettings};
use event_model::DeadLetterCause;
use event_model::event_types::is_hint;
use jiff::Timestamp;
use payload::{Acceptance, Accepted, Carried, Refusal};
use persist::{Arrival, Persist, PersistError, PersistParts, Publication};
use pipeline_config::Pipeline;
use runtime::trace::TraceContext;
use runtime::{Clock, FailedEvent, KeepFailed as _, NotKept, Prewarm};
use sink::{Sink, publish_within};
use stage::telemetry::PersistMetrics;
use store::dead_letters::DeadLetterKeeper;
use store::fallbacks::Fallbacks;
use store::{Database, DatabaseSettings};

use crate::problem::Problem;
use crate::queue::queue;
use breaker::Breaker;
use fallbacks::Unrecorded;
use hints::Hints;
use places::Places;
pub(crate) use places::Taken;

/// What a sender waits for the database, and for what is published then, together.
const ANSWERED_WITHIN: Duration = Duration::from_millis(4500);

/// How much of it a script may take, beyond which the payload goes to the Broker.
const DECODED_WITHIN: Duration = Duration::from_millis(1500);

/// What direct mode is made of.
#[derive(Debug)]
pub struct DirectParts<S> {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Where rows go.
    pub database: DatabaseSettings,
    /// The stages that start while something is written that a rule watches.
    pub prewarm: Prewarm,
    /// The stage's name.
    pub stage: &'static str,
    /// The Broker.
    pub sink: S,
    /// Whether the Broker keeps what it takes, so that a payload is safe there.
    pub falls_back: bool,
    /// For a payload to be committed.
    pub commit_timeout: Duration,
    /// Requests under way at once, above which the shell refuses them: what one source may hold stays below.
    pub max_in_flight: usize,
    /// How many sources there are.
    pub sources: usize,
    /// Threads that serve requests.
    pub threads: usize,
    /// The time.
    pub clock: Clock,
    /// What is measured.
    pub metrics: PersistMetrics,
}

/// Persists payloads before they are answered.
#[derive(Debug, Clone)]
pub struct Direct<S> {
    shared: Arc<Shared<S>>,
    persist: Persist,
}

/// What all threads have in common.
#[derive(Debug)]
struct Shared<S> {
    parts: DirectParts<S>,
    /// Keeps what leads nowhere.
    keeper: DeadLetterKeeper,
    hints: Hints<S>,
    breaker: Breaker,
    fallbacks: Arc<Unrecorded>,
    database: Places,
    broker: Places,
    writers: Mutex<Writers>,
}

/// The writers of threads: the one that was given last comes last.
#[derive(Debug)]
struct Writers {
    most: usize,
    made: VecDeque<Persist>,
}

/// A payload on its way.
pub(crate) struct Offer<'a> {
    /// Its event.
    pub(crate) carried: Carried,
    /// What it comes to; or why it comes to nothing, which is kept.
    pub(crate) accepted: Result<Acceptance<'a>, Refusal>,
    /// When it was received.
    pub(crate) received_at: Timestamp,
    /// The trace that it belongs to.
    pub(crate) trace: Option<TraceContext>,
    /// What its source has under way at the database, and at the Broker.
    pub(crate) taken: &'a [Taken; 2],
}

/// Why the database did not take a payload, for all that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotCommitted {
    /// Too much is under way.
    Full,
    /// It is away, slow, or was a moment ago; or it refuses this payload.
    Away,
}

/// Why a payload was not written, or is not known to be.
#[derive(Debug)]
enum NotWritten {
    /// By itself.
    Payload(PersistError),
    /// As the dead letter that it is.
    DeadLetter(NotKept),
}

impl NotWritten {
    /// Whether another payload would have fared no better.
    fn is_of_database(&self) -> bool {
        match self {
            Self::Payload(error) => error.is_of_database(),
            Self::DeadLetter(error) => matches!(error, NotKept::Unavailable(_)),
        }
    }

    fn error(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Payload(error) => error,
            Self::DeadLetter(error) => error,
        }
    }
}

impl<S: Sink + Clone + 'static> Direct<S> {
    /// Must be called within a Tokio runtime; nothing is connected before the first payload.
    pub fn new(parts: DirectParts<S>) -> Self {
        let DirectParts { pipeline, database, prewarm, stage, .. } = &parts;
        // One connection is left for new devices and dead letters.
        let most = parts.threads.min(database.connections().saturating_sub(1));
        let database = Database::new(&database.clone().pool_size(database.connections() - most));
        let keeper = DeadLetterKeeper::new(database.clone(), stage);
        let (pipeline, prewarm) = (pipeline.clone(), prewarm.clone());
        let codecs = Codecs::new(CodecSettings { patience: DECODED_WITHIN, ..CodecSettings::default() });
        let persist = Persist::new(PersistParts { pipeline, codecs, database, prewarm, stage });
        let metrics = parts.metrics.clone();
        persist.observe_batches(move |payloads| metrics.batch(payloads));
        let [at_database, at_broker] = Places::at_both(parts.max_in_flight, parts.sources, parts.falls_back);
        let shared = Shared {
            keeper,
            hints: Hints::start(parts.sink.clone()),
            breaker: Breaker::default(),
            fallbacks: Arc::default(),
            database: at_database,
            broker: at_broker,
            writers: Mutex::new(Writers { most, made: VecDeque::new() }),
            parts,
        };
        Self { shared: Arc::new(shared), persist }
    }

    /// The same for the current thread, which serves requests: it writes what it takes over a connection of its own, as far as
    /// there are enough.
    #[must_use]
    pub fn on_this_thread(&self) -> Self {
        let mut writers = self.shared.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let Writers { most, made } = &mut *writers;
        if made.len() < *most {
            let database = Database::new(&self.shared.parts.database.clone().pool_size(1));
            made.push_back(self.persist.on_this_thread(database));
        } else if let Some(first) = made.pop_front() {
            made.push_back(first);
        }
        let persist = made.back().unwrap_or(&self.persist).clone();
        Self { shared: Arc::clone(&self.shared), persist }
    }

    /// Sends and records what is left, before the process ends.
    pub async fn flush(&self) {
        self.shared.hints.flush().await;
        if let Err(error) = self.persist.record_refusal().await {
            let error: &(dyn Error + 'static) = &error;
            tracing::warn!(error, "that payloads were refused is not recorded");
        }
        if let Some(fallbacks) = self.shared.fallbacks.take() {
            record(&self.persist, &self.shared.fallbacks, fallbacks).await;
        }
    }

    /// Returns once the payload is committed, or the Broker has it.
    pub(crate) async fn take(&self, offer: Offer<'_>) -> Result<(), Problem> {
        let Offer { carried, accepted, received_at, trace, taken: [at_database, at_broker] } = offer;
        let bytes = carried.data().map_or(0, Bytes::len);
        let why = match self.shared.database.enter(at_database, bytes) {
            Some(_place) => match self.complete(accepted).await {
                Some(accepted) => match self.commit(&carried, accepted, received_at, trace.as_ref()).await {
                    Ok(()) => return Ok(()),
                    Err(why) => why,
                },
                None => NotCommitted::Away,
            },
            None => NotCommitted::Full,
        };
        let taken = if self.shared.parts.falls_back {
            match self.shared.broker.enter(at_broker, bytes) {
                Some(_place) => {
                    let queued = queue(&self.shared.parts.sink, &carried.whole(), trace.as_ref()).await;
                    queued.inspect(|()| self.fell_back(received_at))
                }
                None => Err(Problem::overloaded()),
            }
        } else {
            Err(match why {
                NotCommitted::Full => Problem::overloaded(),
                NotCommitted::Away => {
                    Problem::unavailable("the request could not be stored; it was not taken")
                }
            })
        };
        taken.inspect_err(|_| self.note_refusal(received_at))
    }

    /// Notes that a payload was refused at this time: its sender has it still.
    pub(crate) fn note_refusal(&self, at: Timestamp) {
        self.shared.parts.metrics.refusal();
        self.persist.note_refusal(at);
    }

    fn fell_back(&self, at: Timestamp) {
        self.shared.parts.metrics.fallback();
        self.shared.fallbacks.note(at);
    }

    /// Records what fell back, where it is time to.
    fn record_fallbacks(&self) {
        let Some(fallbacks) = self.shared.fallbacks.due() else { return };
        let (persist, unrecorded) = (self.persist.clone(), Arc::clone(&self.shared.fallbacks));
        tokio::spawn(async move { record(&persist, &unrecorded, fallbacks).await });
    }

    /// What a payload comes to once scripts have decoded its frames; `None` where none has run. That is no fault of the database, whose time
    /// begins after it.
    async fn complete<'a>(
        &self,
        accepted: Result<Acceptance<'a>, Refusal>,
    ) -> Option<Result<Accepted<'a>, Refusal>> {
        let acceptance = match accepted {
            Ok(acceptance) => acceptance,
            Err(refusal) => return Some(Err(refusal)),
        };
        match self.persist.complete(acceptance).await {
            Ok(accepted) => Some(Ok(accepted)),
            Err(CodecError::Refused(refusal)) => Some(Err(refusal)),
            Err(CodecError::Unavailable(error)) => {
                let error: &(dyn Error + 'static) = &error;
                tracing::error!(error, "a payload was not decoded");
                None
            }
        }
    }

    async fn commit(
        &self,
        carried: &Carried,
        accepted: Result<Accepted<'_>, Refusal>,
        received_at: Timestamp,
        trace: Option<&TraceContext>,
    ) -> Result<(), NotCommitted> {
        if !self.shared.breaker.admits() {
            return Err(NotCommitted::Away);
        }
        let begun = Instant::now();
        let written = self.write(carried, accepted, received_at, trace);
        match tokio::time::timeout(self.shared.parts.commit_timeout, written).await {
            Ok(Ok(publications)) => {
                if self.shared.breaker.succeeded() {
                    tracing::info!("the database takes payloads again");
                }
                self.record_fallbacks();
                self.publish(publications, begun).await;
                Ok(())
            }
            Ok(Err(not_written)) => {
                let error = not_written.error();
                tracing::error!(error, "a payload was not persisted");
                if not_written.is_of_database() {
                    self.failed(&error.to_string());
                }
                Err(NotCommitted::Away)
            }
            Err(_) => {
                tracing::error!(
                    limit_ms = self.shared.parts.commit_timeout.as_millis(),
                    "a payload was not persisted in time"
                );
                self.failed("it did not commit a payload in time");
                Err(NotCommitted::Away)
            }
        }
    }

    /// A payload of which nothing can be stored is kept as a dead letter: that is promised, whatever is wrong with it.
    async fn write(
        &self,
        carried: &Carried,
        accepted: Result<Accepted<'_>, Refusal>,
        received_at: Timestamp,
        trace: Option<&TraceContext>,
    ) -> Result<Vec<Publication>, NotWritten> {
        let Shared { keeper, parts, .. } = &*self.shared;
        let at = parts.clock.now();
        let refusal: PersistError = match accepted {
            Ok(accepted) => {
                let arrival = Arrival { delivered_at: received_at, now: at, trace: trace.cloned() };
                match self.persist.accepted(carried, accepted, arrival).await {
                    Err(error) if error.is_final() => error,
                    written => return written.map_err(NotWritten::Payload),
                }
            }
            Err(refusal) => refusal.into(),
        };
        let error: &(dyn Error + 'static) = &refusal;
        tracing::warn!(error, "a payload is a dead letter");
        let (event, cause, reason) = (carried.whole(), DeadLetterCause::Rejected, refusal.to_string());
        let kept = keeper.keep(FailedEvent { event, cause, reason, at }).await;
        kept.map(|()| Vec::new()).map_err(NotWritten::DeadLetter)
    }

    /// The database did not take a payload, for this reason. Said where it took the one before.
    fn failed(&self, reason: &str) {
        if self.shared.breaker.failed() {
            let to = if self.shared.parts.falls_back {
                "payloads go to the Broker"
            } else {
                "payloads are refused"
            };
            tracing::error!(reason, "the database takes no payloads: {to}");
        }
    }

    /// Hints are sent soon. What is for third parties is sent once, before the sender has its answer; the sink may have longer for a
    /// hint than a sender waits.
    async fn publish(&self, publications: Vec<Publication>, begun: Instant) {
        let is_hint = |publication: &Publication| is_hint(publication.event.ty());
        let (hints, others): (Vec<_>, Vec<_>) = publications.into_iter().partition(is_hint);
        for hint in hints {
            self.shared.hints.send_soon(hint);
        }
        if !others.is_empty() {
            let limit = sink::DEFAULT_TIMEOUT.min(ANSWERED_WITHIN.saturating_sub(begun.elapsed()));
            let others = others.iter().map(Publication::to_send);
            publish_within(limit, &self.shared.parts.sink, others).await;
        }
    }
}

async fn record(persist: &Persist, unrecorded: &Unrecorded, fallbacks: Fallbacks) {
    if let Err(error) = persist.record_fallbacks(fallbacks).await {
        let error: &(dyn Error + 'static) = &error;
        tracing::warn!(error, "that payloads went to the Broker is not recorded yet");
        unrecorded.give_back(fallbacks);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use persist::PersistError;
    use runtime::NotKept;
    use store::{StoreError, WriteError};

    use super::NotWritten;

    #[test]
    fn what_one_payload_fails_for_does_not_keep_others_from_the_database() {
        let write = |error| NotWritten::Payload(PersistError::Write(error));
        let (refused, away) = (NotKept::Refused("no".to_owned()), NotKept::Unavailable("away".to_owned()));
        let of_payload = [write(WriteError::Duplicate), NotWritten::DeadLetter(refused)];
        assert!(!of_payload.iter().any(NotWritten::is_of_database));
        let of_database = [
            write(WriteError::Unavailable(Arc::new(StoreError::Timeout))),
            NotWritten::Payload(PersistError::Streams(StoreError::Timeout)),
            NotWritten::DeadLetter(away),
        ];
        assert!(of_database.iter().all(NotWritten::is_of_database));
    }
}
