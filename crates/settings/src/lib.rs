#![doc = include_str!("../README.md")]

mod collection;
mod duration;
mod merge;
mod mistake;
mod node;
mod object;
mod report;
pub mod scalar;
mod shape;
pub mod suggest;
pub mod yaml;

pub use collection::{ByName, Entries, Keyed, List, Named, OneOrMany, refuse_unnamed, text_map};
pub use duration::parse as parse_duration;
pub use merge::merge;
pub use mistake::{Mistake, Place};
pub use object::{Fields, Object, OneOf};
pub use report::{Findings, Report};
pub use scalar::{AnyText, Choice, Duration, DurationWithin, Flag, Number, Parsed, Text, Whole, Word};
pub use shape::{Custom, Schema, Shape, Spelling};
