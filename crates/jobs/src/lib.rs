#![doc = include_str!("../README.md")]

mod cleanup;
pub mod parts;
mod rollup;
mod run;
mod slots;

pub use cleanup::Cleanup;
pub use run::{Job, Progress, Ran, Runner, SliceError};
pub use slots::{due_event, make_due};
