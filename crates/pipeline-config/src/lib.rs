#![doc = include_str!("../README.md")]

pub mod credential;
mod files;
mod hash;
pub mod jobs;
mod load;
pub mod network;
pub mod pipeline;
pub mod receiver;
mod reference;
pub mod route;
mod rule;
pub mod secret;
pub mod source;
pub mod topic;

pub use credential::{Algorithm, Credential, Encoding, Hmac};
pub use files::{Files, VARIABLE};
pub use jobs::Jobs;
pub use load::{LoadError, schema};
pub use network::Network;
pub use pipeline::{Emit, FallbackAfter, Pipeline};
pub use receiver::Receiver;
pub use route::{AlertFacts, Route};
pub use secret::{Secret, SecretError, SecretRef};
pub use settings::{Findings, Mistake, parse_duration};
pub use source::Source;
pub use topic::SourceTopics;
