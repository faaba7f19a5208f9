#![doc = include_str!("../README.md")]

pub mod config;
mod decide;
mod heartbeats;
mod plan;
mod reply;
mod stage;
mod sweep;
mod tell;
mod visit;
mod watch;
mod write;

pub use config::Config;
pub use stage::Alert;
