//! From records to what is written: payloads, dead letters, and what is to be told.

use std::panic::AssertUnwindSafe;

use cloudevents::Event;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use store::dead_letters::{Cause, DeadLetter};
use store::{Payload, StoreError, Streams};

use super::record::{Record, event_letter, unreadable_letter};
use super::told::Told;
use crate::content::Content;
use crate::locate::locate;
use crate::origin::{Origin, OriginError, plausible};
use crate::record::{self, Parts};
use crate::watch;

/// What a batch comes to.
#[derive(Debug, Default)]
pub(super) struct Work<'a> {
    /// To be written in one go, each with its event.
    pub(super) payloads: Vec<Payload>,
    pub(super) events: Vec<&'a Event>,
    /// What cannot be taken.
    pub(super) letters: Vec<DeadLetter>,
    /// What `alert` is to be told once all is written.
    pub(super) told: Told,
}

/// What decoding needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) streams: &'a Streams,
    pub(super) now: Timestamp,
}

impl<'a> Work<'a> {
    /// Decodes every record, each for itself.
    ///
    /// # Errors
    /// Where the database is not there for devices that are new.
    pub(super) async fn of(records: &'a [Record], desk: Desk<'_>) -> Result<Self, StoreError> {
        let mut work = Self::default();
        for record in records {
            match &record.event {
                Ok(event) => work.take(record, event, desk).await?,
                Err(unreadable) => work.letters.push(unreadable_letter(unreadable, desk.now)),
            }
        }
        Ok(work)
    }

    async fn take(&mut self, record: &Record, event: &'a Event, desk: Desk<'_>) -> Result<(), StoreError> {
        // The record's own time, where it can be believed: reading it again gives the same one.
        let delivered_at = plausible(record.published_at, desk.now);
        let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let origin = Origin::of(event, desk.pipeline, delivered_at)?;
            let content = Content::of(&origin);
            Ok::<_, OriginError>((origin, content))
        }));
        let (origin, content) = match decoded {
            Ok(Ok(decoded)) => decoded,
            Ok(Err(error)) => {
                self.letters.push(event_letter(event, cause(&error), &error.to_string(), desk.now));
                return Ok(());
            }
            Err(_) => {
                let reason = "the stage panicked on this event";
                self.letters.push(event_letter(event, Cause::Rejected, reason, desk.now));
                return Ok(());
            }
        };
        let located = match locate(desk.streams, event, &origin, &content).await {
            Ok(located) => located,
            Err(error) if error.is_data_error() => {
                self.letters.push(event_letter(event, Cause::Rejected, &error.to_string(), desk.now));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let marks = watch::marks(desk.pipeline, origin.name, &located.streams);
        self.told.add(record, event, &origin, &located, &marks);
        let parts = Parts {
            event,
            origin: &origin,
            content: &content,
            marks,
            traceparent: record.traceparent.clone(),
            now: desk.now,
            place: Some(record.place.clone()),
        };
        self.payloads.push(record::payload(parts, located));
        self.events.push(event);
        Ok(())
    }
}

/// As the answers of the push way are understood: 400 and 422.
const fn cause(error: &OriginError) -> Cause {
    match error {
        OriginError::NoSource | OriginError::Request(_) => Cause::Malformed,
        OriginError::NotForUs | OriginError::UnknownSource(_) => Cause::Rejected,
    }
}
