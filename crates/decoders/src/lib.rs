#![doc = include_str!("../README.md")]

pub mod codec;
pub mod decode;
pub mod device;
pub mod form;
pub mod format;
pub mod formats;
pub mod json;
pub mod mapping;
pub mod measure;
pub mod names;
pub mod options;
mod overwritten;
#[cfg(test)]
mod testing;
pub mod time;
pub mod value;
pub mod walk;

pub use decode::{
    Context, DecodeError, Decoded, FormError, Inspection, MAX_READINGS, Problem, Problems, Profile,
};
pub use format::{Decoder, Document, Health};
pub use formats::{all, by_name, by_own_path, plain};
pub use mapping::{Mapping, MetricMapping};
pub use options::{FormatOptions, Options};
