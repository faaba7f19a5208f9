#![doc = include_str!("../README.md")]

pub mod address;
pub mod alertmanager;
pub mod canary;
pub mod message;
pub mod ntfy;
pub mod open;
pub mod outcome;
pub mod outgoing;
pub mod row;
pub mod slack;
pub mod smtp;
pub mod token;
pub mod webhook;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

pub use address::{AddressError, AddressPolicy};
pub use message::{Alert, AlertChange, Message};
pub use open::{OpenError, open, open_smtp};
pub use outcome::Outcome;
pub use outgoing::Outgoing;
pub use smtp::{Html, Mail};

/// Where notifications are delivered.
pub trait Receiver: Send + Sync {
    /// Tries once, within [`outgoing::ATTEMPT_TIMEOUT`], and says itself whether a failure is worth a retry.
    fn deliver<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Outcome>;

    /// Tries many in one request, and gives their outcomes in the same order; `None` where the far side takes one at a time.
    fn deliver_many<'a>(&'a self, _attempts: &'a [Attempt<'a>]) -> Option<BoxFuture<'a, Vec<Outcome>>> {
        None
    }

    /// Whether the far side takes an alert for over that is not sent again on every tick while it fires.
    fn needs_repeats(&self) -> bool {
        false
    }
}

/// One attempt to deliver a message.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What is delivered.
    pub message: &'a Message,
    /// The time of the attempt.
    pub now: Timestamp,
    /// The time between two ticks of the pipeline.
    pub tick: SignedDuration,
}
