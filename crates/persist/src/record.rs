//! All that a payload leaves in the database.

use std::collections::BTreeMap;

use cloudevents::AttributesReader as _;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::{Name, ReceiptOutcome, ids, storable};
use jiff::Timestamp;
use payload::{Accepted, Carried, PlainPayload, Repetition, Without, without_device};
use pipeline_config::Pipeline;
use pipeline_config::source::{KeepRequests, Unknown};
use runtime::trace::TraceContext;
use store::dead_letters::{Cause, DeadEvent, DeadLetter, DeadProblem, SentBack};
use store::held::Held;
use store::{
    EvaluationRequest, KeptRequest, LeftOut, MomentRow, NewDevices, Payload, PayloadSamples, Receipt,
    ReceiptKey, RecordPlace, ResolvedStream, ResolvedStreams,
};
use uuid::Uuid;

/// How a payload came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Carrier<'a> {
    /// In an event.
    Event(&'a Carried),
    /// As the record of a topic of others, which `pipeline` reads.
    Record { plain: &'a PlainPayload, place: &'a RecordPlace, pipeline: &'a Pipeline },
}

impl<'a> Carrier<'a> {
    /// That of the payload alone; a range of records has its own.
    pub(crate) fn receipt_id(self) -> Uuid {
        match self {
            Self::Event(carried) => ids::of_receipt(carried.event().source(), carried.event().id()),
            Self::Record { .. } => Uuid::nil(),
        }
    }

    /// Empty where it is part of a range of records.
    fn event_id(self) -> &'a str {
        match self {
            Self::Event(carried) => carried.event().id(),
            Self::Record { .. } => "",
        }
    }

    /// A record of others counts once by its offset.
    fn repetition(self, accepted: &Accepted<'_>) -> Option<Repetition> {
        match self {
            Self::Event(carried) => Repetition::of(carried, accepted),
            Self::Record { .. } => None,
        }
    }

    /// What the dead letter keeps: the one place where the data is copied.
    pub(crate) fn dead_event(self, accepted: &Accepted<'_>) -> DeadEvent {
        match self {
            Self::Event(carried) => dead_event(carried),
            Self::Record { plain, place, pipeline } => {
                let of_pipeline = (place.id(), accepted.received_at, pipeline.short_hash());
                dead_event(&plain.event(accepted, of_pipeline))
            }
        }
    }

    /// The same of what was not accepted.
    pub(crate) fn refused_event(self) -> DeadEvent {
        match self {
            Self::Event(carried) => dead_event(carried),
            Self::Record { plain, place, .. } => DeadEvent::of_record(place, &[], plain.bytes()),
        }
    }

    /// The dead letter that it was.
    pub(crate) fn sent_back(self) -> Option<SentBack> {
        match self {
            Self::Event(carried) => SentBack::of(carried.event()),
            Self::Record { .. } => None,
        }
    }
}

/// What a payload's record is made of.
pub(crate) struct Parts<'a> {
    pub(crate) carrier: Carrier<'a>,
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

/// What the streams of a payload are found by, whose rows name this receipt.
pub(crate) fn samples<'a>(receipt_id: Uuid, accepted: &'a Accepted<'_>) -> PayloadSamples<'a> {
    let source = accepted.origin.source;
    PayloadSamples {
        source: accepted.origin.name,
        source_tags: &source.tags,
        device_tags: &accepted.decoded.tags,
        received_at: accepted.received_at,
        receipt_id,
        samples: &accepted.decoded.samples,
        new_devices: NewDevices {
            per_payload: source.max_new_devices as usize,
            per_hour: source.max_new_devices_per_hour.map(|most| most as usize),
            known_only: source.unknown == Unknown::Hold,
        },
    }
}

/// Makes problems of what the store has no room for. What was erased is none.
pub(crate) fn leave_out(accepted: &mut Accepted<'_>, resolved: &ResolvedStreams) {
    let problem = |left: &LeftOut| {
        let separator = if left.channel.is_empty() { "" } else { "/" };
        let place = format!("{}{separator}{}", left.device, left.channel);
        (place, left.reason.to_string())
    };
    if !resolved.left_out.is_empty() || !resolved.erased.is_empty() {
        accepted.leave_out(resolved.left_out.iter().map(problem), resolved.streams.is_empty());
    }
}

/// The payload as the writer takes it; the rows of `resolved` move into it.
pub(crate) fn payload(parts: Parts<'_>, resolved: ResolvedStreams) -> Payload {
    let Parts { carrier, accepted, requests, trace, place, pipeline, failed } = parts;
    let decoded = &accepted.decoded;
    let key = carrier.repetition(accepted);
    let key = key.map(|Repetition { key, expires_at }| ReceiptKey { key, expires_at });
    let left_out: usize = resolved.left_out.iter().map(|left| left.readings).sum();
    let erased = &resolved.erased;
    let has_erased = !erased.is_empty();
    let held_readings: usize = resolved.held.values().sum();
    let held = (held_readings > 0).then(|| {
        let letter = dead_letter(carrier.dead_event(accepted), (Cause::Rejected, String::new()), failed);
        let letter = without_erased(letter, accepted, erased);
        Held { devices: resolved.held.into_keys().collect(), letter }
    });
    let is_kept = match accepted.origin.source.keep_requests {
        KeepRequests::All => true,
        KeepRequests::Problems => {
            matches!(accepted.outcome, ReceiptOutcome::Partial | ReceiptOutcome::Rejected)
        }
        KeepRequests::None => false,
    };
    let kept_here = || match carrier {
        Carrier::Event(carried) if is_kept && !has_erased => {
            KeptRequest::Here(carried.request_text(&accepted.request))
        }
        Carrier::Event(_) | Carrier::Record { .. } => KeptRequest::No,
    };
    Payload {
        key,
        receipt: Receipt {
            id: resolved.receipt_id,
            received_at: accepted.received_at,
            source: accepted.origin.name.into(),
            event_id: carrier.event_id().to_owned(),
            format: Name::known(accepted.origin.decoder.name()),
            pipeline,
            traceparent: trace.map(|trace| trace.traceparent),
            outcome: accepted.outcome,
            readings: decoded.readings().count()
                - left_out
                - held_readings
                - resolved.erased.values().sum::<usize>(),
            expired: 0,
            problems: decoded.problems.count(),
            request: place.map_or_else(kept_here, KeptRequest::Record),
        },
        rows: rows(resolved.streams),
        evaluation_requests: requests,
        dead_letter: (!decoded.problems.is_empty())
            .then(|| without_erased(of_problems(carrier, accepted, failed), accepted, erased)),
        seen: resolved.seen,
        registry: resolved.registry,
        held,
    }
}

/// The rows of all streams.
fn rows(mut streams: Vec<ResolvedStream>) -> Vec<MomentRow> {
    match streams.as_mut_slice() {
        [only] => std::mem::take(&mut only.rows),
        _ => streams.into_iter().flat_map(|stream| stream.rows).collect(),
    }
}

fn of_problems(carrier: Carrier<'_>, accepted: &Accepted<'_>, failed: (&str, Timestamp)) -> DeadLetter {
    // PostgreSQL's texts hold no NUL, and a payload may be quoted.
    let problems = accepted.decoded.problems.iter().map(|problem| DeadProblem {
        place: storable(problem.place.as_str()),
        reason: storable(problem.reason.as_str()),
    });
    let problems = problems.collect();
    let reason = storable(accepted.reason());
    let event = carrier.dead_event(accepted);
    DeadLetter { problems, ..dead_letter(event, (Cause::Rejected, reason), failed) }
}

/// The letter without what its payload says of devices that were erased, where there are any.
fn without_erased(
    letter: DeadLetter,
    accepted: &Accepted<'_>,
    erased: &BTreeMap<String, usize>,
) -> DeadLetter {
    if erased.is_empty() {
        return letter;
    }
    let names: Vec<String> = erased.keys().cloned().collect();
    match without_device(accepted.origin, &accepted.request, accepted.received_at, &names) {
        Without::Rest(rest) if letter.event.event_type == PAYLOAD_RECEIVED => {
            letter.with_data(rest.to_bytes())
        }
        _ => letter.without_payload(),
    }
}

/// What the dead letter keeps of an event.
fn dead_event(carried: &Carried) -> DeadEvent {
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
