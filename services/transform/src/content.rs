//! Decode, the content: what a payload came to.

use decoders::{Context, Decoded, Problem};
use store::ReceiptOutcome;

use crate::origin::Origin;

/// What a payload holds, and what is to be said of it.
#[derive(Debug)]
pub struct Content {
    /// Readings and problems.
    pub decoded: Decoded,
    /// What the receipt says of them.
    pub outcome: ReceiptOutcome,
}

impl Content {
    /// Decodes the request. A payload of which nothing can be taken is one problem.
    pub fn of(origin: &Origin<'_>) -> Self {
        let context =
            Context { profile: &origin.source.profile, received_at: origin.received_at, raw_names: false };
        let decoded = match origin.decoder.decode(&origin.request, context) {
            Ok(decoded) => decoded,
            Err(error) => Decoded { problems: vec![error.0], ..Decoded::default() },
        };
        let outcome = match (decoded.samples.is_empty(), decoded.problems.is_empty()) {
            (false, true) => ReceiptOutcome::Stored,
            (false, false) => ReceiptOutcome::Partial,
            (true, true) => ReceiptOutcome::NoData,
            (true, false) => ReceiptOutcome::Rejected,
        };
        Self { decoded, outcome }
    }

    /// One line for people: the first problem, and how many more there are.
    pub fn reason(&self) -> String {
        let Some(Problem { place, reason }) = self.decoded.problems.first() else { return String::new() };
        let separator = if place.is_empty() { "" } else { ": " };
        match self.decoded.problems.len() {
            1 => format!("{place}{separator}{reason}"),
            n => format!("{place}{separator}{reason} (and {} more)", n - 1),
        }
    }
}
