#![doc = include_str!("../README.md")]

pub mod config;
mod reply;
mod stage;

pub use config::Config;
pub use stage::Alert;
