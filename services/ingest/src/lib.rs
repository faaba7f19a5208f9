#![doc = include_str!("../README.md")]

mod body;
mod config;
mod credentials;
mod handshake;
mod next_stages;
mod problem;
mod rate;
mod routes;
mod sources;

pub use config::Config;
pub use handshake::Confirmer;
pub use next_stages::NextStages;
pub use routes::{Ingest, routes};
pub use sources::Sources;
