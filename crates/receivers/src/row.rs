//! A receiver that is a row: the notification's own, which is delivered once it is due and taken.

use futures_util::future::BoxFuture;

use crate::{Attempt, Outcome, Receiver};

/// Sends nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Row;

impl Receiver for Row {
    fn deliver<'a>(&'a self, _attempt: Attempt<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async { Outcome::Delivered })
    }
}
