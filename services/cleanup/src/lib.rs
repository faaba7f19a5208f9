#![doc = include_str!("../README.md")]

/// The job's name in freshet.yaml, and the service's.
pub const NAME: &str = "cleanup";
