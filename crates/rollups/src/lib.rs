#![doc = include_str!("../README.md")]

mod part;
mod span;
mod values;

pub use part::{Observation, Part};
pub use span::{Day, Span, days, days_are_whole_hours, hours};
pub use values::{Point, Values};
