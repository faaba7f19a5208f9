//! What `make bench` measures: one file a question, medians of several runs, one table.

pub mod binaries;
pub mod burst;
pub mod cpu;
pub mod database;
pub mod echo;
pub mod footprint;
pub mod ingest;
pub mod kafka;
pub mod limits;
pub mod load;
pub mod open_loop;
pub mod pipeline;
pub mod probe;
pub mod rules;
pub mod spike;
pub mod start;
pub mod table;
pub mod write_path;
