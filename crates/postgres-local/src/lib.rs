#![doc = include_str!("../README.md")]

mod binaries;
mod error;
mod files;
mod instance;
mod options;
mod owner;
mod watched;

pub use binaries::{Binaries, find_binaries};
pub use error::Error;
pub use instance::Instance;
pub use options::Options;
