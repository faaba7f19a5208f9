//! The store on a real server.

mod faults;
mod house;
mod migrations;
mod partitions;
mod streams;
mod tls;
mod writing;
