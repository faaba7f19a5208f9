//! One batch, until everything of it is safe.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use event_model::cloudevent::EventError;
use pipeline_config::Pipeline;
use runtime::{Clock, Prewarm, crash};
use sink::{HttpSink, Sink as _, SinkError};
use store::dead_letters::{self, Cause, DeadLetter};
use store::{Database, StoreError, Streams, WriteError, Writer};
use thiserror::Error as ThisError;

use super::batch::{Desk, Work};
use super::record::{Record, event_letter};
use super::shared::Shared;
use super::told::Telling;

/// The first and the longest wait before what failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Writes batches.
#[derive(Debug)]
pub(super) struct Handler {
    pub(super) pipeline: Pipeline,
    pub(super) database: Database,
    pub(super) streams: Streams,
    pub(super) writer: Writer,
    pub(super) sink: HttpSink,
    pub(super) prewarm: Prewarm,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
}

/// Why a batch is to be tried again.
#[derive(Debug, ThisError)]
enum Trouble {
    #[error("the database is not there for what is new")]
    Locate(#[source] StoreError),
    #[error("the payloads are not written")]
    Write(#[source] WriteError),
    #[error("the dead letters are not kept")]
    Letters(#[source] StoreError),
    #[error("nobody was told")]
    Tell(#[source] SinkError),
}

impl Handler {
    /// Works until rows, dead letters and events are safe; `false` where the end came first.
    ///
    /// ```text
    /// decode -> rows (one transaction) -> dead letters -> readings.recorded -> safe
    ///   ^            └─────────┴── not there: wait, all anew    └── not there: wait, tell again
    /// ```
    pub(super) async fn settle(&self, records: &[Record]) -> bool {
        let mut pause = Pause::default();
        let tellings = loop {
            match self.store(records).await {
                Ok(tellings) => break tellings,
                Err(trouble) => {
                    if !pause.after(&trouble, &self.shared).await {
                        return false;
                    }
                }
            }
        };
        let mut pause = Pause::default();
        for (event, traceparent) in tellings {
            loop {
                match self.sink.send(&event, traceparent.as_deref()).await {
                    Ok(()) => break,
                    Err(SinkError::Refused(reason)) => {
                        // The marks are there, and the tick comes by.
                        tracing::error!(reason, "the sink refuses readings.recorded");
                        break;
                    }
                    Err(error) => {
                        if !pause.after(&Trouble::Tell(error), &self.shared).await {
                            return false;
                        }
                    }
                }
            }
        }
        true
    }

    async fn store(&self, records: &[Record]) -> Result<Vec<Telling>, Trouble> {
        let desk = Desk { pipeline: &self.pipeline, streams: &self.streams, now: self.clock.now() };
        let Work { payloads, events, mut letters, told } =
            Work::of(records, desk).await.map_err(Trouble::Locate)?;
        if !told.is_empty() {
            self.prewarm.send();
        }
        crash::point("before-write");
        let written = self.writer.write_all(payloads).await;
        for (written, event) in written.into_iter().zip(events) {
            match written {
                Ok(_) => {}
                // The twin is the same event, and shares the fate of the one that was refused.
                Err(error @ (WriteError::Data(_) | WriteError::Twin)) => {
                    letters.push(event_letter(event, Cause::Rejected, &error.to_string(), desk.now));
                }
                Err(error) => return Err(Trouble::Write(error)),
            }
        }
        self.keep(&letters).await.map_err(Trouble::Letters)?;
        crash::point("after-commit");
        Ok(told.events().unwrap_or_else(|error: EventError| {
            tracing::error!(%error, "readings.recorded cannot be written");
            Vec::new()
        }))
    }

    async fn keep(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        let client = self.database.client().await?;
        for letter in letters {
            match dead_letters::keep(&client, letter).await.map_err(StoreError::from) {
                Ok(id) => tracing::warn!(
                    dead_letter = %id,
                    cause = letter.cause.as_str(),
                    reason = letter.reason,
                    "kept a dead letter"
                ),
                Err(error) if error.is_data_error() => {
                    let error: &dyn Error = &error;
                    tracing::error!(
                        error,
                        source = letter.event.source,
                        id = letter.event.id,
                        "the database refuses a dead letter"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
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
