#![doc = include_str!("../README.md")]

mod http;
mod overrides;

use std::error::Error;
use std::future::Future;

use cloudevents::Event;
use thiserror::Error as ThisError;

pub use http::HttpSink;
pub use overrides::{Overrides, OverridesError};

/// Takes events and keeps them.
pub trait Sink: Send + Sync {
    /// Returns once the event is durable. It may have been taken although an error is returned.
    fn send(
        &self,
        event: &Event,
        traceparent: Option<&str>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why an event was not taken.
#[derive(Debug, ThisError)]
pub enum SinkError {
    /// The sink refused this event with this HTTP status; sending it again is no use.
    #[error("the sink refused the event with status {0}")]
    Refused(u16),
    /// The sink could not take it now; sending it again may work.
    #[error("the sink is unavailable: {0}")]
    Unavailable(String, #[source] Option<Box<dyn Error + Send + Sync>>),
}
