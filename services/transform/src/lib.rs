#![doc = include_str!("../README.md")]

mod backlog;
pub mod config;
mod reply;
mod stage;
pub mod worker;

pub use backlog::Backlog;
pub use config::Config;
pub use stage::{Transform, TransformParts};
