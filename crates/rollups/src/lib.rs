#![doc = include_str!("../README.md")]

mod part;
mod span;
mod values;

pub use part::{Observation, Part};
pub use span::{Day, Span, day_of, days, hour_of, hours};
pub use values::{Point, Values};
