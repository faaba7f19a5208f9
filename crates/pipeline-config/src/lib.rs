#![doc = include_str!("../README.md")]

mod canonical;
pub mod credential;
mod duration;
mod fields;
pub mod mistake;
pub mod network;
pub mod pipeline;
mod platform;
mod read;
pub mod receiver;
mod report;
pub mod route;
mod scalar;
pub mod schema;
pub mod secret;
pub mod source;
mod suggest;
mod yaml;

pub use credential::{Algorithm, Credential, Encoding, Hmac};
pub use duration::parse as parse_duration;
pub use mistake::{LoadError, Mistake, Mistakes};
pub use network::Network;
pub use pipeline::{Emit, Pipeline};
pub use receiver::Receiver;
pub use route::{AlertFacts, Route};
pub use schema::schema;
pub use secret::{Secret, SecretError, SecretRef};
pub use source::Source;
