#![doc = include_str!("../README.md")]

mod caught_up;
mod config;
mod handler;
mod offsets;
mod part;
mod worker;

pub use config::{Config, FeedConfig};
pub use worker::{Worker, WorkerParts};
