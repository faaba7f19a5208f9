//! A payload that was accepted: all that is known of it before it is stored.

use decoders::{Decoded, Inspection, Problem};
use event_model::{ReceiptOutcome, RecordedRequest};
use jiff::Timestamp;
use pipeline_config::Pipeline;

use crate::event::Carried;
use crate::inspected::{Content, Inspected};
use crate::origin::Origin;
use crate::refusal::Refusal;

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
    /// What `request` of this source, received at `received_at`, comes to.
    ///
    /// # Errors
    /// [`Refusal::Form`], or [`Refusal::Panicked`].
    pub fn of(origin: Origin<'p>, request: RecordedRequest, received_at: Timestamp) -> Result<Self, Refusal> {
        let content = Inspected::of(origin, &request)?.finish(received_at)?;
        Ok(Self::new(request, content))
    }

    /// A request, with all that was read of it.
    pub fn new(request: RecordedRequest, content: Content<'p>) -> Self {
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

    /// What an event carries, which was delivered at `delivered_at`. A request that its format cannot read is accepted as one
    /// problem: `ingest` has promised to keep it.
    ///
    /// # Errors
    /// [`Refusal`] where the event leads nowhere.
    pub fn of_event(
        carried: &Carried,
        pipeline: &'p Pipeline,
        delivered_at: Timestamp,
    ) -> Result<Self, Refusal> {
        let (origin, received_at) = carried.origin(pipeline, delivered_at)?;
        let request = carried.request()?;
        match Self::of(origin, request.clone(), received_at) {
            Err(Refusal::Form(error)) => {
                let decoded = Problem::new("", error.to_string()).into();
                let inspection = Inspection::default();
                Ok(Self::new(request, Content { origin, inspection, received_at, decoded }))
            }
            accepted => accepted,
        }
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
