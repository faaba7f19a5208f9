#![doc = include_str!("../README.md")]

mod http;
mod overrides;
mod publish;

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use cloudevents::Event;
use runtime::trace::TraceContext;
use thiserror::Error as ThisError;

pub use http::HttpSink;
pub use overrides::{Overrides, OverridesError};
pub use publish::publish_within;

/// The time that a sender outside is left waiting, at most.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_millis(2500);

/// Takes events and keeps them.
pub trait Sink: Send + Sync {
    /// Returns once the event is durable. It may have been taken although an error is returned.
    fn send(
        &self,
        event: &Event,
        trace: Option<&TraceContext>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why an event was not taken.
#[derive(Debug, ThisError)]
pub enum SinkError {
    /// The sink does not take this event, and says why; sending it again is no use.
    #[error("the sink refused the event: {0}")]
    Refused(String),
    /// The sink could not take it now; sending it again may work.
    #[error("the sink is unavailable: {0}")]
    Unavailable(String, #[source] Option<Box<dyn Error + Send + Sync>>),
}
