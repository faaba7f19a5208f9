//! Encode, the database: all that a payload leaves there.

use cloudevents::{AttributesReader as _, Event};
use jiff::Timestamp;
use store::dead_letters::{Cause, DeadEvent, DeadLetter, DeadProblem};
use store::{EvaluationRequest, KeptRequest, Located, Payload, Receipt, RecordPlace};

use crate::content::Content;
use crate::origin::Origin;
use crate::repetition::claim;

/// The stage's name in dead letters.
pub(crate) const STAGE: &str = "transform";

/// What a record is made of.
pub(crate) struct Parts<'a> {
    pub(crate) event: &'a Event,
    pub(crate) origin: &'a Origin<'a>,
    pub(crate) content: &'a Content,
    pub(crate) marks: Vec<EvaluationRequest>,
    pub(crate) traceparent: Option<String>,
    /// Now, for what failed.
    pub(crate) now: Timestamp,
    /// The Kafka record that keeps the request; `None` where the receipt is to keep it.
    pub(crate) place: Option<RecordPlace>,
}

/// The payload as the writer takes it; the rows of `located` move into it.
pub(crate) fn payload(parts: Parts<'_>, located: Located) -> Payload {
    let Parts { event, origin, content, marks, traceparent, now, place } = parts;
    let decoded = &content.decoded;
    Payload {
        claim: claim(event, origin, &decoded.samples),
        receipt: Receipt {
            id: located.receipt_id,
            received_at: origin.received_at,
            event_id: event.id().to_owned(),
            format: origin.decoder.name().to_owned(),
            traceparent,
            outcome: content.outcome,
            readings: decoded.readings().count(),
            problems: decoded.problems.len(),
            request: place.map_or_else(|| KeptRequest::Here(origin.request.to_bytes()), KeptRequest::Record),
        },
        rows: located.streams.into_iter().flat_map(|stream| stream.rows).collect(),
        marks,
        dead_letter: (!decoded.problems.is_empty()).then(|| dead_letter(event, content, now)),
        seen: located.seen,
    }
}

fn dead_letter(event: &Event, content: &Content, now: Timestamp) -> DeadLetter {
    let problems = content.decoded.problems.iter();
    DeadLetter {
        event: DeadEvent::of(event),
        stage: STAGE.to_owned(),
        cause: Cause::Rejected,
        // PostgreSQL's texts hold no NUL, and a payload may be quoted.
        reason: without_nul(&content.reason()),
        problems: problems
            .map(|problem| DeadProblem {
                place: without_nul(&problem.place),
                reason: without_nul(&problem.reason),
            })
            .collect(),
        at: now,
    }
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
