use cloudevents::Event;
use event_model::DeadLetterCause;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use thiserror::Error;

/// An event that a stage could not handle for the event's own sake.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedEvent {
    /// The event.
    pub event: Event,
    /// What kind of failure.
    pub cause: DeadLetterCause,
    /// Why, for people; without secrets and payload.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Why a failed event was not kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotKept {
    /// The database is not there now.
    #[error("{0}")]
    Unavailable(String),
    /// The database does not take it.
    #[error("{0}")]
    Refused(String),
}

/// Keeps failed events: durably once it returns, and the same one twice is one.
pub trait KeepFailed: Send + Sync + 'static {
    /// Keeps one.
    fn keep(&self, failed: FailedEvent) -> BoxFuture<'_, Result<(), NotKept>>;
}
