//! The store on a real server.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod export;
mod faults;
mod floors;
mod migrations;
mod partitions;
mod registry;
mod reports;
mod streams;
mod tls;
mod topic;
mod view;
mod world;
mod writing;
