//! One batch, until everything of it is safe.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use event_model::ids;
use kafka::Shared;
use persist::{Persist, PersistError, Publication, TopicRecord};
use runtime::attempts::ItemKey;
use runtime::{Attempts, Clock};
use sink::{HttpSink, Sink as _, SinkError};
use store::RecordPlace;
use thiserror::Error as ThisError;

/// The first and the longest wait before what failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Writes batches.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) persist: Persist,
    pub(crate) sink: HttpSink,
    pub(crate) clock: Clock,
    pub(crate) shared: Arc<Shared>,
    pub(crate) attempts: Arc<Attempts>,
}

/// Why a batch is to be tried again.
#[derive(Debug, ThisError)]
enum Trouble {
    #[error("the payloads are not written")]
    Write(#[source] PersistError),
    #[error("the events are not published")]
    Publish(#[source] SinkError),
}

impl Handler {
    /// Works until rows, dead letters and events are safe; `false` where the end came first.
    ///
    /// ```text
    /// decode -> rows (one transaction) -> dead letters -> events -> safe
    ///   ^            └─────────┴── not there: wait, all anew    └── not there: wait, publish again
    /// ```
    ///
    /// A record that was under way as a worker died is handled alone, and the others as one between them.
    pub(crate) async fn settle(&self, records: &[TopicRecord]) -> bool {
        let keys = keys_of(records);
        let is_suspect = |key: &ItemKey| self.attempts.is_suspect(key);
        let mut from = 0;
        for part in keys.chunk_by(|one, next| !is_suspect(one) && !is_suspect(next)) {
            let to = from + part.len();
            if !self.settle_part(&records[from..to], part).await {
                return false;
            }
            from = to;
        }
        true
    }

    async fn settle_part(&self, records: &[TopicRecord], keys: &[ItemKey]) -> bool {
        let mut pause = Pause::default();
        let publications = loop {
            match self.write(records, keys).await {
                Ok(publications) => break publications,
                Err(error) => {
                    if !pause.after(&Trouble::Write(error), &self.shared).await {
                        return false;
                    }
                }
            }
        };
        let mut pause = Pause::default();
        for publication in publications {
            loop {
                match self.sink.send(&publication.event, publication.trace.as_ref()).await {
                    Ok(()) => break,
                    Err(SinkError::Refused(reason)) => {
                        // What is requested is in rows, and the tick comes by.
                        tracing::error!(reason, "the sink refuses an event");
                        break;
                    }
                    Err(error) => {
                        if !pause.after(&Trouble::Publish(error), &self.shared).await {
                            return false;
                        }
                    }
                }
            }
        }
        true
    }
}

impl Handler {
    /// One attempt, which is counted as long as it takes and not while it is waited for another.
    async fn write(
        &self,
        records: &[TopicRecord],
        keys: &[ItemKey],
    ) -> Result<Vec<Publication>, PersistError> {
        let fatal = match self.attempts.begin(keys).await {
            Ok(attempt) => {
                let publications = self.persist.batch(records, self.clock.now()).await?;
                attempt.done();
                return Ok(publications);
            }
            Err(fatal) => fatal,
        };
        for record in records {
            self.persist.refuse(record, fatal.to_string(), self.clock.now()).await?;
        }
        fatal.kept();
        Ok(Vec::new())
    }
}

/// Four bytes of the topic's name, hashed, the partition and the offset.
fn keys_of(records: &[TopicRecord]) -> Vec<ItemKey> {
    let topic = records.first().map_or("", |record| &*record.place.topic);
    let topic = ids::derive("topic", &[topic]).into_bytes();
    let key = |RecordPlace { partition, offset, .. }: &RecordPlace| {
        let mut key = topic;
        key[4..8].copy_from_slice(&partition.to_be_bytes());
        key[8..].copy_from_slice(&offset.to_be_bytes());
        key
    };
    records.iter().map(|record| key(&record.place)).collect()
}

impl Trouble {
    fn log(&self, pause: Duration) {
        let error: &dyn Error = self;
        tracing::warn!(error, again_in_ms = pause.as_millis(), "a batch waits");
    }
}

/// Waits that grow.
#[derive(Debug)]
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// Waits after `trouble`; `false` where the end came first.
    async fn after(&mut self, trouble: &Trouble, shared: &Shared) -> bool {
        trouble.log(self.0);
        let goes_on = shared.pause(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        goes_on
    }
}
