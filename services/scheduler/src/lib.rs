#![doc = include_str!("../README.md")]

mod config;
mod heartbeat;
mod local;
mod look;
mod queues;
mod stage;

pub use config::Config;
pub use queues::{KafkaQueues, Queues};
pub use stage::Scheduler;
