//! Why a payload is not persisted, or is not known to be.

use codecs::CodecError;
use event_model::cloudevent::EventError;
use payload::Refusal;
use store::{StoreError, TopicWriteError, WriteError};
use thiserror::Error;

/// Why a payload is not persisted, or is not known to be.
#[derive(Debug, Error)]
pub enum PersistError {
    /// The event leads nowhere.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No process has run the script that decodes its frames.
    #[error(transparent)]
    Codec(#[from] codecs::Unavailable),
    /// Its streams could not be found or made.
    #[error(transparent)]
    Streams(StoreError),
    /// It was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The records of a topic were not written.
    #[error(transparent)]
    Topic(TopicWriteError),
    /// The dead letter that it was is not resolved.
    #[error(transparent)]
    DeadLetters(StoreError),
    /// Its source is one that our pipeline file does not know and another may: that in force, or the next.
    #[error("the pipeline file has not the payload's source, and another is in force or about to be")]
    NotInForce,
    /// Its source is one that our pipeline file does not know, and which file is in force could not be seen.
    #[error(transparent)]
    Pipeline(StoreError),
    /// What was held is not stored.
    #[error(transparent)]
    Held(StoreError),
    /// The events that follow cannot be written.
    #[error(transparent)]
    Event(#[from] EventError),
}

impl From<CodecError> for PersistError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Refused(refusal) => Self::Refused(refusal),
            CodecError::Unavailable(unavailable) => Self::Codec(unavailable),
        }
    }
}

impl PersistError {
    /// Whether the fault lies in the payload, so that trying again is no use.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Event(_) => true,
            Self::Streams(error) | Self::Held(error) => error.is_data_error(),
            Self::Codec(_) | Self::Topic(_) | Self::DeadLetters(_) | Self::Pipeline(_) | Self::NotInForce => {
                false
            }
            Self::Write(error) => matches!(error, WriteError::Data(_)),
        }
    }

    /// Whether names of devices lead elsewhere than they did when its streams were found: decoded and found anew, it may be written.
    pub fn is_of_registry(&self) -> bool {
        match self {
            Self::Write(WriteError::Unavailable(error)) => error.is_of_registry(),
            Self::Topic(TopicWriteError::Unavailable(error)) | Self::Held(error) => error.is_of_registry(),
            _ => false,
        }
    }

    /// Whether the database was not there, or too slow: another payload would have fared no better.
    pub fn is_of_database(&self) -> bool {
        match self {
            Self::Write(error) => matches!(error, WriteError::Unavailable(_)),
            Self::NotInForce | Self::Codec(_) | Self::Topic(TopicWriteError::Fenced(_)) => false,
            _ => !self.is_final(),
        }
    }
}
