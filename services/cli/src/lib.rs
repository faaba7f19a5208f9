//! The `freshet` command.

pub mod send;
