#![doc = include_str!("../README.md")]

mod aggregate;
pub mod alert;
pub mod cloudevent;
mod dead_letter;
pub mod decimal;
pub mod event_types;
pub mod events;
pub mod form;
pub mod glob;
mod hex;
pub mod ids;
pub mod name;
mod nul;
pub mod reading;
mod receipt;
pub mod request;
pub mod units;
mod word;

pub use aggregate::Aggregate;
pub use alert::Severity;
pub use dead_letter::{DeadLetterCause, DeadLetterState};
pub use glob::Glob;
pub use hex::hex;
pub use name::Name;
pub use nul::storable;
pub use reading::{CLOCK_SKEW, Quality, Reading, Sample, Value};
pub use receipt::ReceiptOutcome;
pub use request::RecordedRequest;
