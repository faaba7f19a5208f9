//! One batch, until everything of it is safe.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use kafka::Shared;
use persist::{Persist, PersistError, TopicRecord};
use runtime::Clock;
use sink::{HttpSink, Sink as _, SinkError};
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
    pub(crate) async fn settle(&self, records: &[TopicRecord]) -> bool {
        let mut pause = Pause::default();
        let publications = loop {
            match self.persist.batch(records, self.clock.now()).await {
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
