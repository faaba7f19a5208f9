//! The records of a topic, written as one.

use cloudevents::AttributesReader as _;
use jiff::Timestamp;
use payload::{Accepted, Carried, Refusal, plausible};
use runtime::crash;
use store::dead_letters::{self, Cause, DeadEvent, DeadLetter};
use store::{Payload, PayloadSamples, ResolvedStreams, StoreError, WriteError};

use crate::error::PersistError;
use crate::events::{Origin, Outgoing, Publication};
use crate::persist::{Persist, resolved_by};
use crate::record::{self, Parts, dead_event, dead_letter};
use crate::topic_record::TopicRecord;

/// What a batch comes to.
struct Batch<'a> {
    persist: &'a Persist,
    now: Timestamp,
    /// To be written as one, each with its event.
    payloads: Vec<Payload>,
    events: Vec<&'a Carried>,
    /// What cannot be taken.
    dead_letters: Vec<DeadLetter>,
    /// Of these, those that another pipeline file may take.
    unknown: Vec<&'a Carried>,
    outgoing: Outgoing<'a>,
}

/// A record that holds a payload.
struct AcceptedRecord<'a> {
    record: &'a TopicRecord,
    carried: &'a Carried,
    accepted: Accepted<'a>,
}

impl Persist {
    /// Writes what `records` hold; returns once rows and dead letters are safe, with what is to be published. Each record stands
    /// for itself: what cannot be taken of one is a dead letter, and harms none of the others.
    ///
    /// # Errors
    /// [`PersistError`] where the database is not there: all of it is to be tried again.
    pub async fn batch(
        &self,
        records: &[TopicRecord],
        now: Timestamp,
    ) -> Result<Vec<Publication>, PersistError> {
        self.after_outage(self.write_batch(records, now).await, || {
            let first = records.iter().find_map(|record| Some((record, record.event.as_ref().ok()?)));
            first
                .map(|(record, carried)| Origin::of(carried, now, record.trace.as_ref(), Some(&record.place)))
        })
    }

    /// Keeps a record among the dead letters without a look at what it holds.
    ///
    /// # Errors
    /// [`PersistError`] where the database is not there.
    pub async fn refuse(
        &self,
        record: &TopicRecord,
        reason: String,
        now: Timestamp,
    ) -> Result<(), PersistError> {
        let event = record.event.as_ref().map_or_else(|unreadable| unreadable.kept.clone(), dead_event);
        let refused = dead_letter(event, (Cause::Rejected, reason), (self.parts.stage, now));
        self.keep(&[refused]).await.map_err(PersistError::DeadLetters)
    }

    async fn write_batch(
        &self,
        records: &[TopicRecord],
        now: Timestamp,
    ) -> Result<Vec<Publication>, PersistError> {
        let outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        let (payloads, events, dead_letters) = (Vec::new(), Vec::new(), Vec::new());
        let mut batch =
            Batch { persist: self, now, payloads, events, dead_letters, unknown: Vec::new(), outgoing };
        let accepted: Vec<_> = records.iter().filter_map(|record| batch.accept(record)).collect();
        if !batch.unknown.is_empty() {
            self.decides_on(&batch.unknown, now).await?;
        }
        let samples: Vec<_> =
            accepted.iter().map(|one| record::samples(one.carried, &one.accepted)).collect();
        let resolved = match self.streams.resolve_all(&samples).await {
            Err(error) if error.is_data_error() => self.each_alone(&samples).await,
            all => all.map(|all| all.into_iter().map(Ok).collect()),
        };
        let resolved: Vec<Result<_, StoreError>> = resolved.map_err(PersistError::Streams)?;
        drop(samples);
        for (one, resolved) in accepted.into_iter().zip(resolved) {
            match resolved {
                Ok(resolved) => batch.take(one, resolved),
                Err(error) => batch.refuse(dead_event(one.carried), Cause::Rejected, error.to_string()),
            }
        }
        batch.write().await
    }

    /// The streams of each payload, or what the database refuses of it.
    async fn each_alone(
        &self,
        samples: &[PayloadSamples<'_>],
    ) -> Result<Vec<Result<ResolvedStreams, StoreError>>, StoreError> {
        let mut each = Vec::with_capacity(samples.len());
        for samples in samples {
            match self.streams.resolve(samples).await {
                Err(error) if !error.is_data_error() => return Err(error),
                resolved => each.push(resolved),
            }
        }
        Ok(each)
    }

    /// Whatever fails, the batch is tried again: none is passed over.
    async fn keep(&self, dead_letters: &[DeadLetter]) -> Result<(), StoreError> {
        if dead_letters.is_empty() {
            return Ok(());
        }
        let client = self.parts.database.client().await?;
        for dead_letter in dead_letters {
            let id = dead_letters::keep(&client, dead_letter).await?;
            let (cause, reason) = (dead_letter.cause.as_str(), &dead_letter.reason);
            tracing::warn!(dead_letter = %id, cause, reason, "kept a dead letter");
        }
        Ok(())
    }
}

impl<'a> Batch<'a> {
    /// What a record holds; what holds no payload is refused.
    fn accept(&mut self, record: &'a TopicRecord) -> Option<AcceptedRecord<'a>> {
        let carried = match &record.event {
            Ok(carried) => carried,
            Err(unreadable) => {
                self.refuse(unreadable.kept.clone(), Cause::Malformed, unreadable.reason.clone());
                return None;
            }
        };
        crash::on_event("decode", carried.event().id());
        // The record's own time, where it can be believed: reading it again gives the same one.
        let delivered_at = plausible(record.published_at, self.now);
        match Accepted::of_event(carried, &self.persist.parts.pipeline, delivered_at) {
            Ok(accepted) => Some(AcceptedRecord { record, carried, accepted }),
            Err(refusal) => {
                if refusal.is_of_pipeline() {
                    self.unknown.push(carried);
                }
                self.refuse(dead_event(carried), cause(&refusal), refusal.to_string());
                None
            }
        }
    }

    fn take(&mut self, one: AcceptedRecord<'a>, resolved: ResolvedStreams) {
        let AcceptedRecord { record, carried, mut accepted } = one;
        record::leave_out(&mut accepted, &resolved);
        let requests = self.persist.requests(&accepted, &resolved.streams);
        let trace = record.trace.clone();
        self.outgoing.add(&accepted, &resolved, &requests, || {
            Origin::of(carried, accepted.received_at, trace.as_ref(), Some(&record.place))
        });
        let (place, failed) = (Some(record.place.clone()), (self.persist.parts.stage, self.now));
        let pipeline = self.persist.parts.pipeline.hash_number();
        let parts = Parts { carried, accepted: &accepted, requests, trace, place, pipeline, failed };
        self.payloads.push(record::payload(parts, resolved));
        self.events.push(carried);
    }

    fn refuse(&mut self, event: DeadEvent, cause: Cause, reason: String) {
        let failed = (self.persist.parts.stage, self.now);
        self.dead_letters.push(dead_letter(event, (cause, reason), failed));
    }

    async fn write(mut self) -> Result<Vec<Publication>, PersistError> {
        if self.outgoing.requests_evaluation() {
            self.persist.parts.prewarm.send();
        }
        crash::point("before-write");
        let sent_back =
            self.payloads.iter().zip(&self.events).map(|(payload, event)| resolved_by(payload, event));
        let sent_back: Vec<_> = sent_back.collect();
        let mut stored = Vec::new();
        let written = self.persist.writer.write_all(std::mem::take(&mut self.payloads)).await;
        for ((written, carried), sent_back) in
            written.into_iter().zip(std::mem::take(&mut self.events)).zip(sent_back)
        {
            match written {
                Ok(_) => stored.extend(sent_back),
                // A duplicate within the batch is the same event, and shares the fate of the one that was refused.
                Err(error @ (WriteError::Data(_) | WriteError::Duplicate)) => {
                    self.refuse(dead_event(carried), Cause::Rejected, error.to_string());
                }
                Err(error) => return Err(PersistError::Write(error)),
            }
        }
        self.persist.keep(&self.dead_letters).await.map_err(PersistError::DeadLetters)?;
        self.persist.resolve(&stored, self.now).await.map_err(PersistError::DeadLetters)?;
        crash::point("after-commit");
        Ok(self.outgoing.publications()?)
    }
}

/// As the answers to a delivery are understood: 400 and 422.
const fn cause(refusal: &Refusal) -> Cause {
    if refusal.status() == 400 { Cause::Malformed } else { Cause::Rejected }
}
