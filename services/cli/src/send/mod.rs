//! `freshet send`: payloads, recorded requests and table rows, to a webhook or a Broker.
//!
//! Inputs become [`input::Item`]s one after another, so that a file larger than memory is no matter; [`target`] turns
//! each into an HTTP request, [`run`] sends them at a rate with so many at once, and [`report`] counts the answers.

pub mod credential;
pub mod input;
pub mod report;
pub mod rows;
pub mod run;
pub mod target;
