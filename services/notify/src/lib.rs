#![doc = include_str!("../README.md")]

pub mod config;
pub mod deliver;
mod deliverer;
mod message;
pub mod plan;
mod retry;
mod round;
mod send;
mod settle;
pub mod stage;
mod waiting;

pub use config::Config;
pub use deliverer::Deliverer;
pub use stage::Notify;
pub use waiting::Waiters;
