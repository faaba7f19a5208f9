//! What a burst costs a small database and a full one, statement by statement.
//!
//! A database is filled with devices that have a history ([`fill`]), the real stages take a burst of the same size over it
//! ([`stages`], [`burst`]), and `pg_stat_statements` says how many pages each statement looked at ([`cost`]). Pages, not
//! milliseconds: they are the same on every machine.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

pub mod burst;
pub mod cost;
pub mod fill;
pub mod sizes;
pub mod stages;
