#![doc = include_str!("../README.md")]

pub mod config;
pub mod deliver;
mod message;
pub mod plan;
mod retry;
mod settle;
pub mod stage;

pub use config::Config;
pub use deliver::Deliverer;
pub use stage::Notify;
