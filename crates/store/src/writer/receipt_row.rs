use postgres_types::ToSql;
use uuid::Uuid;

use super::payload::Receipt;
use crate::sent::Instant;

/// A row of `receipt` as it is sent.
#[derive(Debug, ToSql)]
#[postgres(name = "receipt_row")]
pub(super) struct SentReceipt<'a> {
    received_at: Instant,
    id: Uuid,
    source: &'a str,
    event_id: &'a str,
    format: &'a str,
    traceparent: Option<&'a str>,
    outcome: &'static str,
    readings: i32,
    problems: i32,
    request: Option<&'a [u8]>,
    record_topic: Option<&'a str>,
    record_partition: Option<i32>,
    record_offset: Option<i64>,
    pipeline: i64,
}

impl<'a> From<&'a Receipt> for SentReceipt<'a> {
    fn from(receipt: &'a Receipt) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let record = receipt.request.record();
        Self {
            received_at: Instant(receipt.received_at),
            id: receipt.id,
            source: &receipt.source,
            event_id: &receipt.event_id,
            format: &receipt.format,
            traceparent: receipt.traceparent.as_deref(),
            outcome: receipt.outcome.as_str(),
            readings: count(receipt.readings),
            problems: count(receipt.problems),
            request: receipt.request.bytes(),
            record_topic: record.map(|record| &*record.topic.name),
            record_partition: record.map(|record| record.partition),
            record_offset: record.map(|record| record.offset),
            pipeline: receipt.pipeline,
        }
    }
}
