#![doc = include_str!("../README.md")]

mod body;
mod config;
mod credentials;
mod direct;
mod hand_over;
mod handshake;
mod next_stages;
mod problem;
mod queue;
mod rate;
mod routes;
mod sources;

pub use config::{Config, DirectConfig};
pub use direct::{Direct, DirectParts};
pub use hand_over::HandOver;
pub use handshake::Confirmer;
pub use next_stages::NextStages;
pub use routes::{Ingest, app};
pub use sources::Sources;
