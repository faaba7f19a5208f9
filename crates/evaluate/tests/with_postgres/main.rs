//! The stage over a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod alerts;
mod arrival;
mod changes;
mod cost;
mod expected;
mod preview;
mod retired;
mod together;
mod work;
mod world;
