#![doc = include_str!("../README.md")]

pub mod attempts;
mod clock;
pub mod crash;
mod deadline;
mod env;
mod failed_event;
mod failure;
mod http_client;
mod prewarm;
pub mod trace;

pub use attempts::Attempts;
pub use clock::Clock;
pub use deadline::Deadline;
pub use env::{ConfigErrors, ConfigMistake, Env};
pub use failed_event::{FailedEvent, KeepFailed, NotKept};
pub use failure::Failure;
pub use http_client::{ClientError, ClientOptions, http_client, http_client_builder, tls_config};
pub use prewarm::Prewarm;
