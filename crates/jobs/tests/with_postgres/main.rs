//! Jobs over a real database.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cleanup;
mod pages;
mod readings;
mod rollups;
mod slots;
mod world;
