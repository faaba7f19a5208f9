#![doc = include_str!("../README.md")]

mod caught_up;
mod config;
mod feed;
mod feed_parts;
mod handler;
mod known_records;
mod offsets;
mod part;
mod source;
mod worker;

pub use config::{Config, FeedConfig, SourceConfig};
pub use worker::{Worker, WorkerParts};
