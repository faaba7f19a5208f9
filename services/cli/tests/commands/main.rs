//! The `freshet` command as a person runs it: what it prints, where, and how it ends.

mod activate;
mod check;
mod cluster;
mod codec;
mod completions;
mod dead_letters;
mod devices;
mod documented;
mod every;
mod jobs;
#[cfg(feature = "kafka")]
mod kafka;
mod migrate;
mod one_answer;
mod process;
mod readings;
mod receiver;
mod reprocess;
#[cfg(feature = "kafka")]
mod reprocess_topic;
mod retire;
mod rows;
mod rules;
mod send;
mod source;
mod stage;
