//! What the job sends and what it makes of what became of it, over a real database and a real web server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod runs;
mod seeds;
mod world;
