//! The real binary, over a real Kafka and a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod caught_up;
mod offsets;
mod outage;
mod poison;
mod reading;
mod rollout;
mod sharing;
mod sources;
mod world;
