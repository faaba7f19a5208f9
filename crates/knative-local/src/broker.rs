//! The Broker: takes records into its topic, and knows what happened to them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use thiserror::Error;
use tokio::sync::watch;

use crate::faults::Faults;
use crate::log::{Log, LogError, Topic};
use crate::record::Record;
use crate::strict::{Rule, Violations};

/// What the ingress, the triggers and the timers share.
pub(crate) struct Broker {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) strict: Arc<Violations>,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) lost: AtomicU64,
    #[cfg(feature = "simulation")]
    pub(crate) crash_dir: Option<std::path::PathBuf>,
    /// Why it cannot go on.
    pub(crate) failure: watch::Sender<Option<LogError>>,
}

/// A record was not taken.
#[derive(Debug, Error)]
pub(crate) enum PublishError {
    #[error("the record is larger than 1 MiB")]
    TooLarge,
    #[error("the sink is switched off")]
    SinkDown,
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Broker {
    /// The path of the ingress.
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.namespace, self.name)
    }

    /// Puts a record into the broker's topic; it is on disk when this returns.
    pub(crate) async fn publish(&self, at: &str, record: Record) -> Result<(), PublishError> {
        if self.faults.is_sink_down() {
            return Err(PublishError::SinkDown);
        }
        if !record.fits() {
            return Err(PublishError::TooLarge);
        }
        self.check_attributes(at, &record);
        if self.faults.forgets() {
            return Ok(());
        }
        if self.faults.duplicates_now() {
            self.log.append(Topic::Broker, record.clone()).await?;
        }
        self.log.append(Topic::Broker, record).await?;
        Ok(())
    }

    /// Puts a record into the dead letter topic.
    pub(crate) async fn publish_dead_letter(&self, record: Record) -> Result<(), PublishError> {
        if self.faults.is_dead_letter_sink_down() {
            return Err(PublishError::SinkDown);
        }
        self.log.append(Topic::DeadLetters, record).await?;
        Ok(())
    }

    fn check_attributes(&self, at: &str, record: &Record) {
        let attributes = record.headers.iter().filter(|(name, _)| name.starts_with("ce-"));
        for (name, value) in attributes {
            let safe = !value.is_empty()
                && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'%');
            if !safe {
                let event_type = record.attribute("type").unwrap_or_default();
                self.strict.add(at, Rule::AttributesAreSafe, format!("{name} of {event_type} is {value:?}"));
            }
        }
    }

    /// The crash point between a subscriber's answer and the record of it. True where the dispatcher crashed; where a
    /// file asked for it the whole process is gone.
    pub(crate) fn crashes_after_answer(&self) -> bool {
        #[cfg(feature = "simulation")]
        if let Some(folder) = &self.crash_dir
            && std::fs::remove_file(folder.join("after-answer")).is_ok()
        {
            use nix::sys::signal::{Signal, kill};
            // A process that may not signal itself does not exist.
            let _ = kill(nix::unistd::Pid::this(), Signal::SIGKILL);
        }
        self.faults.crashes_after_answer()
    }
}
