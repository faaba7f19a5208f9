#![doc = include_str!("../README.md")]

pub mod alert;
pub mod cloudevent;
pub mod event_types;
pub mod events;
pub mod ids;
pub mod reading;
pub mod request;
pub mod units;

pub use alert::Severity;
pub use reading::{Quality, Reading, Value};
pub use request::RecordedRequest;
