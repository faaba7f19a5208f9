//! The `freshet` command as a person runs it: what it prints, where, and how it ends.

mod activate;
mod channel;
mod check;
mod cluster;
mod dead_letters;
mod kafka;
mod migrate;
mod one_answer;
mod process;
mod rows;
mod source;
