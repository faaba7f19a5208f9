#![doc = include_str!("../README.md")]

mod stage;

pub use stage::CleanupStage;

/// The job's name in freshet.yaml, and the service's.
pub const NAME: &str = "cleanup";
