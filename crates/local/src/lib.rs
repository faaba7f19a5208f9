#![doc = include_str!("../README.md")]

pub mod addresses;
pub mod demo;
pub mod local_topology;
mod log;
mod screen;
pub mod state_directory;
pub mod up;
