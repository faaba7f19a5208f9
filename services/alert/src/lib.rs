#![doc = include_str!("../README.md")]

pub mod config;
mod decide;
mod plan;
mod pulses;
mod reply;
mod stage;
mod sweep;
mod tell;
mod visit;
mod watch;
mod write;

pub use config::Config;
pub use stage::Alert;
