#![doc = include_str!("../README.md")]

mod gather;
mod job;
mod period;
mod storage;

pub use job::{Config, ReportJob};
pub use storage::StorageError;

/// The job's name in freshet.yaml, and the service's.
pub const NAME: &str = "report";
