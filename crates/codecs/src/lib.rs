#![doc = include_str!("../README.md")]

mod child;
mod complete;
mod engine;
mod pool;
mod serve;
mod wire;

pub use complete::CodecError;
pub use pool::{Codecs, Settings, Unavailable};
pub use serve::serve_if_asked;

/// The memory that a script may take, in bytes.
pub const MEMORY_LIMIT: usize = 16 * 1024 * 1024;
