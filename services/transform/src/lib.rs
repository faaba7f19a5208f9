#![doc = include_str!("../README.md")]

mod backlog;
pub mod config;
mod content;
mod locate;
mod origin;
mod record;
mod repetition;
mod reply;
mod stage;
mod watch;
pub mod worker;

pub use backlog::Backlog;
pub use config::Config;
pub use content::Content;
pub use origin::{Origin, OriginError};
pub use stage::Transform;
