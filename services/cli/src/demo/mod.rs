//! `freshet up --demo`: a realistic burst through the webhook, and the sums afterwards.
//!
//! [`fleet`] plans the burst: every request with the fate that it must have. [`play`] sends it. [`receiver`] is the
//! place where the demo's alerts are told. [`ledger`] compares what was planned with what is in the database.

pub mod clock_face;
pub mod fleet;
pub mod ledger;
mod perform;
pub mod platforms;
pub mod play;
pub mod receiver;

pub use perform::Play;
