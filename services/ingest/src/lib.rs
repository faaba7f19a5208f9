#![doc = include_str!("../README.md")]

mod ahead;
mod body;
mod config;
mod credentials;
mod event;
mod handshake;
mod problem;
mod rate;
mod recorded;
mod routes;
mod sources;

pub use ahead::Ahead;
pub use config::Config;
pub use handshake::Confirmer;
pub use routes::{Ingest, routes};
pub use sources::Sources;
