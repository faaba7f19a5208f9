//! Payloads side by side: what PostgreSQL would refuse to touch twice in one statement is settled here.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::payload::{EvaluationRequest, Payload};
use crate::MomentRow;
use crate::dead_letters::DeadLetter;
use crate::partitions::Partition;

/// The partitions that the payloads need.
pub(super) fn partitions(payloads: &[&Payload]) -> BTreeSet<Partition> {
    let mut partitions = BTreeSet::new();
    for payload in payloads {
        let received_at = payload.receipt.received_at;
        partitions.insert(Partition::of_receipt(received_at));
        if payload.receipt.request.is_here() {
            partitions.insert(Partition::of_request(received_at));
        }
        let of_row = |row: &MomentRow| Partition::of_moment(row.observed_at, received_at);
        partitions.extend(payload.rows.iter().filter_map(of_row));
    }
    partitions
}

/// Whether a request of them is kept beside its receipt.
pub(super) fn keep_requests(payloads: &[&Payload]) -> bool {
    payloads.iter().any(|payload| payload.receipt.request.is_here())
}

/// The rows in the order of their keys, one for each moment of a stream.
pub(super) fn rows<'a>(payloads: &[&'a Payload]) -> Vec<Cow<'a, MomentRow>> {
    let mut rows: Vec<&MomentRow> = payloads.iter().flat_map(|payload| &payload.rows).collect();
    rows.sort_by_key(|row| row.key());
    let mut settled: Vec<Cow<'_, MomentRow>> = Vec::with_capacity(rows.len());
    for row in rows {
        match settled.last_mut() {
            Some(last) if last.key() == row.key() => *last = Cow::Owned(last.merged_with(row)),
            _ => settled.push(Cow::Borrowed(row)),
        }
    }
    settled
}

/// An evaluation request as the table keeps it.
#[derive(Debug, PartialEq)]
pub(crate) struct RequestRow<'a> {
    pub(super) stream_id: i32,
    pub(super) from_at: Timestamp,
    pub(super) traceparent: Option<&'a str>,
}

/// The evaluation requests of payloads, each with its trace, in the order of their streams: one for each, from the earliest moment that
/// any payload names.
pub(crate) fn evaluation_requests<'a>(
    asked: impl Iterator<Item = (Option<&'a str>, &'a [EvaluationRequest])>,
) -> Vec<RequestRow<'a>> {
    let mut requests: BTreeMap<i32, RequestRow<'a>> = BTreeMap::new();
    for (traceparent, of_payload) in asked {
        for request in of_payload {
            let row = requests.entry(request.stream_id).or_insert(RequestRow {
                stream_id: request.stream_id,
                from_at: request.from_at,
                traceparent,
            });
            row.from_at = row.from_at.min(request.from_at);
            row.traceparent = traceparent.or(row.traceparent);
        }
    }
    requests.into_values().collect()
}

/// Readings of a payload that were not stored.
#[derive(Debug, PartialEq)]
pub(super) struct ExpiredRow {
    pub(super) received_at: Timestamp,
    pub(super) receipt_id: Uuid,
    pub(super) readings: i32,
}

/// What payloads with receipts of their own have not stored, in the order of these.
pub(super) fn expired(payloads: &[&Payload]) -> Vec<ExpiredRow> {
    let expired = payloads.iter().map(|payload| &payload.receipt).filter(|receipt| receipt.expired > 0);
    let mut rows: Vec<ExpiredRow> = expired
        .map(|receipt| ExpiredRow {
            received_at: receipt.received_at,
            receipt_id: receipt.id,
            readings: i32::try_from(receipt.expired).unwrap_or(i32::MAX),
        })
        .collect();
    rows.sort_unstable_by_key(|row| (row.received_at, row.receipt_id));
    rows
}

/// The dead letters in the order of their ids.
pub(super) fn dead_letters<'a>(payloads: &[&'a Payload]) -> BTreeMap<Uuid, &'a DeadLetter> {
    payloads
        .iter()
        .filter_map(|payload| payload.dead_letter.as_ref())
        .map(|dead_letter| (dead_letter.id(), dead_letter))
        .collect()
}

/// The devices that were seen, each with its latest time.
pub(super) fn seen(payloads: &[&Payload]) -> BTreeMap<i32, Timestamp> {
    let mut seen = BTreeMap::new();
    for payload in payloads {
        for device in &payload.seen {
            let at = seen.entry(*device).or_insert(payload.receipt.received_at);
            *at = payload.receipt.received_at.max(*at);
        }
    }
    seen
}
