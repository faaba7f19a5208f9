//! The records of a topic, written as one.

use std::error::Error;

use jiff::Timestamp;
use payload::{Accepted, Carried, Refusal, plausible};
use runtime::crash;
use store::dead_letters::{self, Cause, DeadEvent, DeadLetter};
use store::{Payload, StoreError, WriteError};

use crate::error::PersistError;
use crate::events::{Origin, Outgoing, Publication};
use crate::persist::Persist;
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
    outgoing: Outgoing<'a>,
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
        let outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        let (payloads, events, dead_letters) = (Vec::new(), Vec::new(), Vec::new());
        let mut batch = Batch { persist: self, now, payloads, events, dead_letters, outgoing };
        for record in records {
            match &record.event {
                Ok(carried) => batch.take(record, carried).await.map_err(PersistError::Streams)?,
                Err(unreadable) => {
                    batch.refuse(unreadable.kept.clone(), Cause::Malformed, unreadable.reason.clone());
                }
            }
        }
        batch.write().await
    }

    async fn keep(&self, dead_letters: &[DeadLetter]) -> Result<(), StoreError> {
        if dead_letters.is_empty() {
            return Ok(());
        }
        let client = self.parts.database.client().await?;
        for dead_letter in dead_letters {
            match dead_letters::keep(&client, dead_letter).await.map_err(StoreError::from) {
                Ok(id) => tracing::warn!(
                    dead_letter = %id,
                    cause = dead_letter.cause.as_str(),
                    reason = dead_letter.reason,
                    "kept a dead letter"
                ),
                Err(error) if error.is_data_error() => {
                    let error: &dyn Error = &error;
                    tracing::error!(
                        error,
                        source = dead_letter.event.source,
                        id = dead_letter.event.id,
                        "the database refuses a dead letter"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<'a> Batch<'a> {
    async fn take(&mut self, record: &TopicRecord, carried: &'a Carried) -> Result<(), StoreError> {
        // The record's own time, where it can be believed: reading it again gives the same one.
        let delivered_at = plausible(record.published_at, self.now);
        let Persist { parts, streams, .. } = self.persist;
        let accepted = match Accepted::of_event(carried, &parts.pipeline, delivered_at) {
            Ok(accepted) => accepted,
            Err(refusal) => {
                self.refuse(dead_event(carried), cause(&refusal), refusal.to_string());
                return Ok(());
            }
        };
        let resolved = match record::resolve(streams, carried, &accepted).await {
            Ok(resolved) => resolved,
            Err(error) if error.is_data_error() => {
                self.refuse(dead_event(carried), Cause::Rejected, error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let requests = self.persist.requests(&accepted, &resolved.streams);
        let trace = record.trace.clone();
        self.outgoing.add(&accepted, &resolved, &requests, || {
            Origin::of(carried, accepted.received_at, trace.as_ref(), Some(&record.place))
        });
        let (place, failed) = (Some(record.place.clone()), (parts.stage, self.now));
        let parts = Parts { carried, accepted: &accepted, requests, trace, place, failed };
        self.payloads.push(record::payload(parts, resolved));
        self.events.push(carried);
        Ok(())
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
        let written = self.persist.writer.write_all(std::mem::take(&mut self.payloads)).await;
        for (written, carried) in written.into_iter().zip(std::mem::take(&mut self.events)) {
            match written {
                Ok(_) => {}
                // A duplicate within the batch is the same event, and shares the fate of the one that was refused.
                Err(error @ (WriteError::Data(_) | WriteError::Duplicate)) => {
                    self.refuse(dead_event(carried), Cause::Rejected, error.to_string());
                }
                Err(error) => return Err(PersistError::Write(error)),
            }
        }
        self.persist.keep(&self.dead_letters).await.map_err(PersistError::DeadLetters)?;
        crash::point("after-commit");
        Ok(self.outgoing.publications()?)
    }
}

/// As the answers to a delivery are understood: 400 and 422.
const fn cause(refusal: &Refusal) -> Cause {
    if refusal.status() == 400 { Cause::Malformed } else { Cause::Rejected }
}
