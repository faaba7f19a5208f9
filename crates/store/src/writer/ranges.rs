//! One receipt for many records of a topic.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use event_model::{Name, ReceiptOutcome, ids};
use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

use super::payload::{Payload, Receipt};
use super::topic::{TopicContent, TopicEntry};
use crate::Topic;
use crate::topic_offsets::PartitionSpan;

/// Problems of a range that its receipt names; each is a dead letter too.
const MAX_PROBLEMS: usize = 100;
/// Characters of a problem's reason.
const MAX_REASON: usize = 200;

/// $1 receive times, $2 ids, $3 sources, $4 event ids, $5 formats, $6 traces, $7 outcomes, $8 readings, $9 problems, $10 topic,
/// $11 incarnations, $12 partitions, $13 first offsets, $14 last offsets, $15 records, $16 outcomes, $17 problems, $18 pipelines, $19 the topic's source,
/// $20 expired.
pub(super) const RANGES: &str = "
    insert into receipt (received_at, id, source, event_id, format, traceparent, outcome, readings, problems, record_topic,
                         record_incarnation, record_partition, record_offset, record_last_offset, records, record_outcomes,
                         record_problems, pipeline, record_source, expired)
    select received_at, id, source, event_id, format, traceparent, outcome, readings, problems, $10, incarnation, p, first,
           last, records, outcomes, record_problems, pipeline, $19, expired
    from unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
                $9::integer[], $11::integer[], $12::integer[], $13::bigint[], $14::bigint[], $15::integer[], $16::jsonb[],
                $17::jsonb[], $18::bigint[], $20::integer[])
         as range (received_at, id, source, event_id, format, traceparent, outcome, readings, problems, incarnation, p, first,
                   last, records, outcomes, record_problems, pipeline, expired)
    on conflict (received_at, id) do update
    set outcome = excluded.outcome, readings = excluded.readings, problems = excluded.problems,
        record_last_offset = excluded.record_last_offset, records = excluded.records,
        record_outcomes = excluded.record_outcomes, record_problems = excluded.record_problems, pipeline = excluded.pipeline,
        expired = excluded.expired";

/// The receipt of the records of one source in one partition that have no receipts of their own.
#[derive(Debug)]
pub(super) struct RangeReceipt {
    id: Uuid,
    source: Name,
    format: Name,
    pipeline: i64,
    traceparent: Option<String>,
    /// When the first of them was received.
    received_at: Timestamp,
    incarnation: i32,
    partition: i32,
    first: i64,
    last: i64,
    records: i32,
    readings: i32,
    expired: i32,
    problems: i32,
    outcomes: BTreeMap<&'static str, i32>,
    record_problems: Vec<RecordProblem>,
}

#[derive(Debug, Serialize)]
struct RecordProblem {
    offset: i64,
    outcome: &'static str,
    problems: usize,
    reason: String,
}

/// The ranges of `entries`, which are in the order of their places; their rows are given the ids of their receipts.
pub(super) fn stamp<'a>(
    topic: &Topic,
    spans: &[PartitionSpan],
    entries: impl Iterator<Item = &'a mut TopicEntry>,
) -> Vec<RangeReceipt> {
    let mut ranges: Vec<RangeReceipt> = Vec::new();
    let mut of_source = 0;
    for TopicEntry { partition, offset, content, .. } in entries {
        let TopicContent::Payload(payload) = content else { continue };
        if payload.key.is_some() {
            continue;
        }
        let is_of = |range: &RangeReceipt| {
            range.partition == *partition
                && range.source == payload.receipt.source
                && range.pipeline == payload.receipt.pipeline
        };
        // Mostly the one before.
        if !ranges.get(of_source).is_some_and(is_of) {
            of_source = ranges.iter().rposition(is_of).unwrap_or_else(|| {
                let span = spans.iter().find(|span| span.partition == *partition);
                let incarnation = span.map_or(1, |span| span.incarnation);
                ranges.push(RangeReceipt::new(topic, incarnation, (*partition, *offset), &payload.receipt));
                ranges.len() - 1
            });
        }
        let range = &mut ranges[of_source];
        range.add(*offset, payload);
        for row in &mut payload.rows {
            row.receipt_id = range.id;
        }
    }
    ranges.sort_unstable_by_key(|range| (range.received_at, range.id));
    ranges
}

impl RangeReceipt {
    fn new(topic: &Topic, incarnation: i32, (partition, first): (i32, i64), receipt: &Receipt) -> Self {
        let numbers = [i64::from(incarnation), i64::from(partition), first].map(|number| number.to_string());
        let of_partition = numbers.iter().map(String::as_str).chain([receipt.source.as_str()]);
        let place: Vec<&str> = topic.parts().chain(of_partition).collect();
        Self {
            id: ids::derive("records", &place),
            source: receipt.source.clone(),
            format: receipt.format.clone(),
            pipeline: receipt.pipeline,
            traceparent: None,
            received_at: receipt.received_at,
            incarnation,
            partition,
            first,
            last: first,
            records: 0,
            readings: 0,
            expired: 0,
            problems: 0,
            outcomes: BTreeMap::new(),
            record_problems: Vec::new(),
        }
    }

    fn add(&mut self, offset: i64, payload: &Payload) {
        let Receipt { outcome, readings, expired, problems, traceparent, received_at, .. } = &payload.receipt;
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        self.last = offset;
        self.received_at = self.received_at.min(*received_at);
        self.records = self.records.saturating_add(1);
        self.readings = self.readings.saturating_add(count(*readings));
        self.expired = self.expired.saturating_add(count(*expired));
        self.problems = self.problems.saturating_add(count(*problems));
        *self.outcomes.entry(outcome.as_str()).or_default() += 1;
        if self.traceparent.is_none() {
            self.traceparent.clone_from(traceparent);
        }
        if *problems > 0 && self.record_problems.len() < MAX_PROBLEMS {
            let reason = payload.dead_letter.as_ref().map_or("", |dead_letter| &dead_letter.reason);
            let reason = reason.chars().take(MAX_REASON).collect();
            let outcome = outcome.as_str();
            self.record_problems.push(RecordProblem { offset, outcome, problems: *problems, reason });
        }
    }

    /// That of all records; `partial` where they differ, but for those that were not meant to hold anything.
    fn outcome(&self) -> &'static str {
        let no_data = ReceiptOutcome::NoData.as_str();
        let mut others = self.outcomes.keys().filter(|outcome| **outcome != no_data);
        match (others.next(), others.next()) {
            (None, _) => no_data,
            (Some(all), None) => all,
            _ => ReceiptOutcome::Partial.as_str(),
        }
    }
}

/// Writes the ranges, which are in the order of their keys.
pub(super) async fn write(
    client: &Client,
    statement: &Statement,
    (topic, ranges): (&Topic, &[RangeReceipt]),
) -> Result<(), Error> {
    fn column<'a, T>(ranges: &'a [RangeReceipt], of: impl Fn(&'a RangeReceipt) -> T) -> Vec<T> {
        ranges.iter().map(of).collect()
    }
    if ranges.is_empty() {
        return Ok(());
    }
    let event_id = |range: &RangeReceipt| format!("{}-{}..{}", range.partition, range.first, range.last);
    client
        .execute(
            statement,
            &[
                &column(ranges, |range| range.received_at),
                &column(ranges, |range| range.id),
                &column(ranges, |range| &*range.source),
                &column(ranges, event_id),
                &column(ranges, |range| &*range.format),
                &column(ranges, |range| range.traceparent.as_deref()),
                &column(ranges, RangeReceipt::outcome),
                &column(ranges, |range| range.readings),
                &column(ranges, |range| range.problems),
                &&*topic.name,
                &column(ranges, |range| range.incarnation),
                &column(ranges, |range| range.partition),
                &column(ranges, |range| range.first),
                &column(ranges, |range| range.last),
                &column(ranges, |range| range.records),
                &column(ranges, |range| Json(&range.outcomes)),
                &column(ranges, |range| {
                    (!range.record_problems.is_empty()).then_some(Json(&range.record_problems))
                }),
                &column(ranges, |range| range.pipeline),
                &topic.source.as_deref(),
                &column(ranges, |range| (range.expired > 0).then_some(range.expired)),
            ],
        )
        .await?;
    Ok(())
}
