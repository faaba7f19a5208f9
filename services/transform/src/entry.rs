//! What one payload leaves in the database: decided here, written by the store.

use cloudevents::{AttributesReader as _, Event};
use decoders::{Decoded, Problem};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use stage::Delivery;
use store::dead_letters::{Cause, DeadEvent, DeadLetter, DeadProblem};
use store::{Claim, EvaluationMark, Located, Receipt, ReceiptOutcome};
use uuid::Uuid;

use crate::payload::Payload;

/// How long an event's id is remembered: longer than any broker redelivers, and than a dead letter is likely to wait.
const ID_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is known of a payload beside its content.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Its event.
    pub event: &'a Event,
    /// How it came.
    pub delivery: &'a Delivery,
    /// Its source and request.
    pub payload: &'a Payload<'a>,
    /// The id of its receipt.
    pub receipt_id: Uuid,
    /// Now.
    pub now: Timestamp,
}

/// The entry of a payload; `whole` is the problem that let nothing of it be taken.
pub fn write(
    facts: Facts<'_>,
    located: &Located,
    marks: Vec<EvaluationMark>,
    decoded: &Decoded,
    whole: Option<Problem>,
) -> store::Payload {
    let problems: Vec<&Problem> = decoded.problems.iter().chain(whole.as_ref()).collect();
    let outcome = match (decoded.readings.is_empty(), problems.is_empty()) {
        (false, true) => ReceiptOutcome::Stored,
        (true, true) => ReceiptOutcome::NoData,
        (false, false) => ReceiptOutcome::Partial,
        (true, false) => ReceiptOutcome::Rejected,
    };
    let Facts { event, delivery, payload, receipt_id, .. } = facts;
    store::Payload {
        claim: claim(facts, decoded),
        receipt: Receipt {
            id: receipt_id,
            received_at: payload.received_at,
            event_id: event.id().to_owned(),
            format: payload.decoder.name().to_owned(),
            traceparent: delivery.traceparent.clone(),
            outcome,
            readings: decoded.readings.len(),
            problems: problems.len(),
            request: payload.request.to_bytes(),
        },
        rows: located.streams.iter().flat_map(|stream| stream.rows.iter().cloned()).collect(),
        marks,
        dead_letter: dead_letter(facts, &problems),
        seen: located.seen.clone(),
    }
}

/// What makes a second delivery a second delivery: the event's id; or, for a payload that has neither a platform's id
/// nor a time of its own, its content within the source's resend window.
fn claim(facts: Facts<'_>, decoded: &Decoded) -> Claim {
    let Facts { event, payload, .. } = facts;
    let window = payload.source.resend_window.unwrap_or_else(|| payload.decoder.default_resend_window());
    let has_own_id = payload.source.events.is_some() || Uuid::parse_str(event.id()).is_err();
    let has_own_time = decoded.readings.iter().any(|reading| !reading.flags.contains(&decoders::time::RECEIVED));
    let source = payload.name.to_owned();
    if window.is_zero() || has_own_id || has_own_time || decoded.readings.is_empty() {
        let expires_at = payload.received_at.saturating_add(ID_LIFETIME).unwrap_or(Timestamp::MAX);
        return Claim { source, key: format!("id:{}", event.id()), expires_at };
    }
    let mut hash = Sha256::new();
    for part in [payload.request.target().as_bytes(), &payload.request.body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let expires_at = payload.received_at.saturating_add(window).unwrap_or(Timestamp::MAX);
    Claim { source, key: format!("body:{digest}"), expires_at }
}

fn dead_letter(facts: Facts<'_>, problems: &[&Problem]) -> Option<DeadLetter> {
    let first = problems.first()?;
    let place = if first.place.is_empty() { String::new() } else { format!("{}: ", first.place) };
    let more = if problems.len() > 1 { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
    Some(DeadLetter {
        event: DeadEvent::of(facts.event),
        stage: "transform".to_owned(),
        cause: Cause::Rejected,
        reason: format!("{place}{}{more}", first.reason),
        problems: problems
            .iter()
            .map(|problem| DeadProblem { place: problem.place.clone(), reason: problem.reason.clone() })
            .collect(),
        at: facts.now,
    })
}
