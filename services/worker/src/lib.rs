#![doc = include_str!("../README.md")]

mod caught_up;
mod config;
mod handler;
mod offsets;
mod part;
mod worker;

pub use config::Config;
pub use worker::{Worker, WorkerParts};
