//! The `freshet` command.

pub mod commands;
pub mod database;
pub mod failure;
pub mod output;
pub mod pipeline_file;
pub mod preview;
pub mod send;
