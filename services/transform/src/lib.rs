#![doc = include_str!("../README.md")]

pub mod config;
pub mod entry;
pub mod payload;
pub mod reply;
pub mod stage;
pub mod watch;

pub use config::Config;
pub use stage::Transform;
