#![doc = include_str!("../README.md")]

mod batch;
mod decide;
mod evaluator;
mod examine;
mod heartbeats;
mod look;
mod plan;
mod preview;
mod routing;
mod succession;
mod watched_rules;
mod write;

pub use evaluator::{Evaluator, Scope, Summary};
pub use preview::{
    AlertChange, AlertEffect, ChangingPayload, Preview, Previewed, ReadingChange, ReadingChanges,
    ReadingEffect,
};
pub use watched_rules::{AnnotationError, WatchedRules};
