//! Why a request or an event is not taken.

use decoders::FormError;
use event_model::request::RequestError;
use thiserror::Error;

/// Why a request or an event leads nowhere. The texts help the sender, and hold neither a secret nor the payload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// An event's type is none that a source takes.
    #[error("no source takes events of this type")]
    NotForUs,
    /// An event's `source` is not one of `ingest`'s.
    #[error("the event's source is not /sources/<name>")]
    NoSource,
    /// The pipeline file has no source of this name.
    #[error("the pipeline file has no source `{0}`")]
    UnknownSource(String),
    /// An event's data is no request.
    #[error("the event's data is no recorded request")]
    Request(#[from] RequestError),
    /// The request cannot be read at all in its source's format.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The format panicked on it.
    #[error("the format `{0}` failed on the request")]
    Panicked(&'static str),
}

impl Refusal {
    /// The HTTP status: 400, 405, 415 or 422.
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoSource | Self::Request(_) | Self::Form(FormError::Malformed(_)) => 400,
            Self::Form(FormError::MethodNotAllowed { .. }) => 405,
            Self::Form(FormError::UnsupportedMediaType { .. }) => 415,
            Self::Form(FormError::Unprocessable(_))
            | Self::NotForUs
            | Self::UnknownSource(_)
            | Self::Panicked(_) => 422,
        }
    }

    /// Whether another pipeline file may take what this one does not.
    pub const fn is_of_pipeline(&self) -> bool {
        matches!(self, Self::NotForUs | Self::UnknownSource(_))
    }

    /// The methods that the format takes, as in an `Allow` header field; where another was used.
    pub fn allowed_methods(&self) -> Option<&str> {
        match self {
            Self::Form(FormError::MethodNotAllowed { expected, .. }) => Some(expected),
            _ => None,
        }
    }
}
