//! `freshet up --demo`: a realistic burst through the webhook, and the sums afterwards.
//!
//! [`fleet`] plans the burst: every request with the fate that it must have. [`burst`] sends it. [`receiver`] takes the
//! demo's alerts. [`comparison`] sets what was planned beside what is in the database.

pub mod burst;
pub mod comparison;
pub mod fleet;
pub mod moments;
pub mod platforms;
mod receiver;
mod run;

pub use run::{Demo, Outcome};
