//! The `freshet` command.

pub mod broker;
pub mod cluster_args;
pub mod commands;
pub mod database;
pub mod demo;
pub mod kafka_settings;
pub mod output;
pub mod pipeline_file;
pub mod preview;
pub mod round_trip;
pub mod send;
pub mod topic;
pub mod up;
pub mod words;
