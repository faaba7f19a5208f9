#![doc = include_str!("../README.md")]

pub mod api;
mod dead_letter;
pub mod send_back;
pub mod stage;
pub mod topic;

pub use send_back::{SendError, Sender};
pub use stage::DeadLetters;
pub use topic::DeadLetterTopic;
