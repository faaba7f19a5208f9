#![doc = include_str!("../README.md")]

pub mod config;
mod stage;
pub mod worker;

pub use config::Config;
pub use stage::{Transform, TransformParts};
