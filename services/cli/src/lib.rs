//! The `freshet` command.

pub mod alert_difference;
pub mod broker;
pub mod cluster_args;
pub mod commands;
pub mod database;
pub mod difference;
pub mod kafka_settings;
pub mod kept_records;
pub mod output;
pub mod pace;
pub mod pipeline_file;
pub mod preview;
pub mod send;
pub mod state_directory;
pub mod topic;
pub mod words;
