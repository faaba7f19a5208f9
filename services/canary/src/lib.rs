#![doc = include_str!("../README.md")]

mod job;

pub use job::{CanaryJob, Config};

/// The job's name in freshet.yaml, and the service's.
pub const NAME: &str = "canary";
