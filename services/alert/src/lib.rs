#![doc = include_str!("../README.md")]

pub mod config;
mod reply;
mod runs;
mod stage;

pub use config::Config;
pub use stage::Alert;
