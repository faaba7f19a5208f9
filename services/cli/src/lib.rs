//! The `freshet` command.

pub mod broker;
pub mod cluster;
pub mod commands;
pub mod database;
pub mod demo;
pub mod doctor;
pub mod failure;
pub mod kafka;
pub mod output;
pub mod pipeline_file;
pub mod preview;
pub mod round_trip;
pub mod send;
pub mod status;
pub mod topic;
pub mod up;
pub mod words;
