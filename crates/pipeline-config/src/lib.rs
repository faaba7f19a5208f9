#![doc = include_str!("../README.md")]

pub mod channel;
pub mod credential;
pub mod mistake;
pub mod network;
pub mod pipeline;
pub mod route;
pub mod secret;
pub mod source;

pub use channel::Channel;
pub use credential::Credential;
pub use mistake::{Mistake, Mistakes};
pub use network::Network;
pub use pipeline::Pipeline;
pub use route::{AlertFacts, Route};
pub use secret::{Secret, SecretError, SecretRef};
pub use source::Source;
