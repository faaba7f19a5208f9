#![doc = include_str!("../README.md")]

pub mod config;
mod stage;

pub use config::Config;
pub use stage::{Transform, TransformParts};
