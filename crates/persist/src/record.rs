//! All that a payload leaves in the database.

use cloudevents::AttributesReader as _;
use event_model::{ReceiptOutcome, ids, storable};
use jiff::Timestamp;
use payload::{Accepted, Carried, Repetition};
use pipeline_config::source::KeepRequests;
use runtime::trace::TraceContext;
use store::dead_letters::{Cause, DeadEvent, DeadLetter, DeadProblem};
use store::{
    EvaluationRequest, KeptRequest, LeftOut, NewDevices, Payload, PayloadSamples, Receipt, ReceiptKey,
    RecordPlace, ResolvedStreams,
};

/// What a payload's record is made of.
pub(crate) struct Parts<'a> {
    pub(crate) carried: &'a Carried,
    pub(crate) accepted: &'a Accepted<'a>,
    pub(crate) requests: Vec<EvaluationRequest>,
    pub(crate) trace: Option<TraceContext>,
    /// The record of a topic that keeps the request; `None` where the receipt is to keep it.
    pub(crate) place: Option<RecordPlace>,
    /// The short hash of the pipeline that decoded it.
    pub(crate) pipeline: i64,
    /// The stage's name and the time, for what failed.
    pub(crate) failed: (&'a str, Timestamp),
}

/// What the streams of a payload are found by.
pub(crate) fn samples<'a>(carried: &Carried, accepted: &'a Accepted<'_>) -> PayloadSamples<'a> {
    let (event, source) = (carried.event(), accepted.origin.source);
    PayloadSamples {
        source: accepted.origin.name,
        source_tags: &source.tags,
        device_tags: &accepted.decoded.tags,
        received_at: accepted.received_at,
        receipt_id: ids::of_receipt(event.source(), event.id()),
        samples: &accepted.decoded.samples,
        new_devices: NewDevices {
            per_payload: source.max_new_devices as usize,
            per_hour: source.max_new_devices_per_hour.map(|most| most as usize),
        },
    }
}

/// Makes problems of what the store has no room for.
pub(crate) fn leave_out(accepted: &mut Accepted<'_>, resolved: &ResolvedStreams) {
    let problem = |left: &LeftOut| {
        let separator = if left.channel.is_empty() { "" } else { "/" };
        let place = format!("{}{separator}{}", left.device, left.channel);
        (place, left.reason.to_string())
    };
    if !resolved.left_out.is_empty() {
        accepted.leave_out(resolved.left_out.iter().map(problem), resolved.streams.is_empty());
    }
}

/// The payload as the writer takes it; the rows of `resolved` move into it.
pub(crate) fn payload(parts: Parts<'_>, resolved: ResolvedStreams) -> Payload {
    let Parts { carried, accepted, requests, trace, place, pipeline, failed } = parts;
    let decoded = &accepted.decoded;
    let key = Repetition::of(carried, accepted)
        .map(|Repetition { key, expires_at }| ReceiptKey { key, expires_at });
    let left_out: usize = resolved.left_out.iter().map(|left| left.readings).sum();
    let is_kept = match accepted.origin.source.keep_requests {
        KeepRequests::All => true,
        KeepRequests::Problems => {
            matches!(accepted.outcome, ReceiptOutcome::Partial | ReceiptOutcome::Rejected)
        }
        KeepRequests::None => false,
    };
    let kept_here = || {
        if is_kept { KeptRequest::Here(carried.request_text(&accepted.request)) } else { KeptRequest::No }
    };
    Payload {
        key,
        receipt: Receipt {
            id: resolved.receipt_id,
            received_at: accepted.received_at,
            source: accepted.origin.name.to_owned(),
            event_id: carried.event().id().to_owned(),
            format: accepted.origin.decoder.name().to_owned(),
            pipeline,
            traceparent: trace.map(|trace| trace.traceparent),
            outcome: accepted.outcome,
            readings: decoded.readings().count() - left_out,
            problems: decoded.problems.count(),
            request: place.map_or_else(kept_here, KeptRequest::Record),
        },
        rows: resolved.streams.into_iter().flat_map(|stream| stream.rows).collect(),
        evaluation_requests: requests,
        dead_letter: (!decoded.problems.is_empty()).then(|| of_problems(carried, accepted, failed)),
        seen: resolved.seen,
    }
}

fn of_problems(carried: &Carried, accepted: &Accepted<'_>, failed: (&str, Timestamp)) -> DeadLetter {
    // PostgreSQL's texts hold no NUL, and a payload may be quoted.
    let problems = accepted.decoded.problems.iter().map(|problem| DeadProblem {
        place: storable(problem.place.as_str()),
        reason: storable(problem.reason.as_str()),
    });
    let problems = problems.collect();
    let reason = storable(accepted.reason());
    DeadLetter { problems, ..dead_letter(dead_event(carried), (Cause::Rejected, reason), failed) }
}

/// What the dead letter keeps of an event: the one place where its data is copied.
pub(crate) fn dead_event(carried: &Carried) -> DeadEvent {
    DeadEvent { data: carried.data().map(|data| data.to_vec()), ..DeadEvent::of(carried.event()) }
}

/// The dead letter of an event as a whole.
pub(crate) fn dead_letter(
    event: DeadEvent,
    (cause, reason): (Cause, String),
    (stage, at): (&str, Timestamp),
) -> DeadLetter {
    DeadLetter { event, stage: stage.to_owned(), cause, reason, problems: Vec::new(), at }
}
