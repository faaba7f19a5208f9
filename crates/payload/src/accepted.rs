//! A payload that was accepted: all that is known of it before it is stored.

use decoders::{Decoded, Inspection, Problem};
use event_model::{ReceiptOutcome, RecordedRequest};
use jiff::Timestamp;

use crate::inspected::Content;
use crate::origin::Origin;

/// A recorded request and its source, decoded.
#[derive(Debug)]
pub struct Accepted<'p> {
    /// Its source.
    pub origin: Origin<'p>,
    /// The request, without its credentials.
    pub request: RecordedRequest,
    /// Device and message id.
    pub inspection: Inspection,
    /// When `ingest` received it, or what comes nearest for an event of others.
    pub received_at: Timestamp,
    /// Samples and problems.
    pub decoded: Decoded,
    /// What the receipt says of them.
    pub outcome: ReceiptOutcome,
}

impl<'p> Accepted<'p> {
    /// A request, with all that was read of it.
    pub(crate) fn whole(request: RecordedRequest, content: Content<'p>) -> Self {
        let Content { origin, inspection, received_at, decoded } = content;
        let outcome = ReceiptOutcome::of(!decoded.samples.is_empty(), !decoded.problems.is_empty());
        Self { origin, request, inspection, received_at, decoded, outcome }
    }

    /// Notes what of it cannot be stored, each as a place and a reason; `all` where that is every sample.
    pub fn leave_out(&mut self, problems: impl IntoIterator<Item = (String, String)>, all: bool) {
        self.decoded.problems.extend(problems.into_iter().map(|(place, reason)| Problem::new(place, reason)));
        let Decoded { samples, problems, .. } = &self.decoded;
        self.outcome = ReceiptOutcome::of(!all && !samples.is_empty(), !problems.is_empty());
    }

    /// One line for people: the first problem, and how many more there are.
    pub fn reason(&self) -> String {
        let Some(Problem { place, reason }) = self.decoded.problems.first() else { return String::new() };
        let separator = if place.is_empty() { "" } else { ": " };
        match self.decoded.problems.count() {
            1 => format!("{place}{separator}{reason}"),
            n => format!("{place}{separator}{reason} (and {} more)", n - 1),
        }
    }
}
