//! Whole evaluations: named scenarios, an independent oracle, and rules that change.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod adoption;
mod oracle;
mod parts;
mod scenarios;
mod support;
mod unmoved;
