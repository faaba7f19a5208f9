#![doc = include_str!("../README.md")]

pub mod decode;
pub mod format;
pub mod mapping;

pub use decode::{Context, DecodeError, Decoded, FormError, Intake, Problem, Profile};
pub use format::Decoder;
pub use mapping::{Mapping, MetricMapping};
