//! What is read again, in parts of which each goes into one transaction: first the requests that are kept beside their receipts, then those
//! that topics keep, partition by partition.

use std::collections::VecDeque;

use codecs::Codecs;
use jiff::Timestamp;
use kafka::{KafkaSettings, KeptRecords, Record, RecordForm, RecordRange};
use payload::Origin;
use persist::ReadAgain;
use pipeline_config::Pipeline;
use runtime::{Clock, Failure};
use store::reprocess::{self, Coverage, Gone, KeptPartition, RecordsReceipt, Span};
use store::{Client, StoreError};
use uuid::Uuid;

use crate::database;
use crate::kept_records::{self, OfReceipt};

/// Requests in one part; a receipt's own stay together.
const PART: usize = 16;
/// Receipts of a partition that are looked up at once.
const RECEIPTS: i64 = 256;
/// Offsets of a partition that are read at once; a receipt's own are read together.
const OFFSETS: i64 = 8192;

/// What there is to read.
pub(super) struct Reading<'a> {
    client: &'a Client,
    pipeline: &'a Pipeline,
    span: Span<'a>,
    codecs: Codecs,
    requests: Requests,
    /// The first is under way.
    partitions: VecDeque<Partition>,
}

/// The requests that are kept beside their receipts.
enum Requests {
    /// There are more behind this one.
    Behind(Option<(Timestamp, Uuid)>),
    /// All were read.
    Done,
}

/// A partition of a topic that keeps requests.
struct Partition {
    kept: KeptPartition,
    kafka: (KafkaSettings, RecordForm),
    /// The last receipt that was looked up.
    after: Option<(i64, Uuid)>,
    /// The receipts that were looked up and are not read yet.
    receipts: VecDeque<RecordsReceipt>,
    /// The records that are kept of those receipts.
    records: Vec<Record>,
}

/// What of a span can be read, for people.
pub(super) struct Known {
    kept: i64,
    gone: Gone,
    /// What each topic keeps of it.
    topics: Vec<(String, i64)>,
    /// Receipts of topics whose Kafka is not known, and why.
    unknown: Option<(i64, String)>,
}

impl<'a> Reading<'a> {
    /// Looks up what of the span can be read.
    pub(super) async fn begin(
        client: &'a Client,
        pipeline: &'a Pipeline,
        span: Span<'a>,
    ) -> Result<(Self, Known), Failure> {
        let coverage = reprocess::coverage(client, span).await;
        let Coverage { kept, gone, partitions } = coverage.map_err(failed)?;
        let mut known = Known { kept, gone, topics: Vec::new(), unknown: None };
        let requests = Requests::Behind(None);
        let codecs = Codecs::default();
        let mut reading = Self { client, pipeline, span, codecs, requests, partitions: VecDeque::new() };
        for kept in partitions {
            let kafka = match kept_records::asked(pipeline, kept.topic_source.as_deref()) {
                Ok(kafka) => kafka,
                Err(reason) => {
                    let unknown = known.unknown.get_or_insert_with(|| (0, reason.message().to_owned()));
                    unknown.0 += kept.receipts;
                    continue;
                }
            };
            let KeptRecords { kept_from, .. } = read(&kafka, range(&kept, (0, 0)), 0).await?;
            let gone = reprocess::before_offset(client, span, (&kept, kept_from)).await;
            let gone = gone.map_err(failed)?;
            let is_same = |topic: &&mut (String, i64)| topic.0 == kept.topic;
            let left = kept.receipts - gone.receipts;
            match known.topics.last_mut().filter(is_same) {
                Some((_, receipts)) => *receipts += left,
                None => known.topics.push((kept.topic.clone(), left)),
            }
            known.gone += gone;
            let (receipts, records) = (VecDeque::new(), Vec::new());
            reading.partitions.push_back(Partition { kept, kafka, after: None, receipts, records });
        }
        Ok((reading, known))
    }

    /// The next part; `None` behind the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<ReadAgain<'a>>>, Failure> {
        if let Requests::Behind(after) = self.requests {
            let part = reprocess::requests(self.client, self.span, after, PART as i64).await;
            let part = part.map_err(failed)?;
            self.requests = match part.last() {
                Some(last) => Requests::Behind(Some((last.received_at, last.receipt_id))),
                None => Requests::Done,
            };
            if !part.is_empty() {
                let origin = self.origin()?;
                let mut again = Vec::with_capacity(part.len());
                for request in &part {
                    match persist::read(origin, request, &self.codecs).await {
                        Ok(read) => again.push(read),
                        Err(error) => left(request.receipt_id, &error),
                    }
                }
                return Ok(Some(again));
            }
        }
        while let Some(partition) = self.partitions.front_mut() {
            if partition.receipts.is_empty() && !partition.look_up((self.client, self.span)).await? {
                self.partitions.pop_front();
                continue;
            }
            let (mut part, mut requests) = (Vec::new(), 0);
            while requests < PART
                && let Some(receipt) = partition.receipts.pop_front()
            {
                let again = partition.again(&receipt, self.span.source, (self.pipeline, &self.codecs)).await;
                requests += again.requests.len();
                part.push(again);
            }
            return Ok(Some(part));
        }
        Ok(None)
    }

    /// The source whose requests they are.
    pub(super) fn origin(&self) -> Result<Origin<'a>, Failure> {
        Origin::named(self.pipeline, self.span.source)
            .map_err(|error| Failure::because("the source cannot be read", &error))
    }
}

impl Partition {
    /// Looks up the next receipts and their records; whether there are any.
    async fn look_up(&mut self, (client, span): (&Client, Span<'_>)) -> Result<bool, Failure> {
        let receipts = reprocess::records(client, span, (&self.kept, self.after), RECEIPTS).await;
        let mut receipts = receipts.map_err(failed)?;
        let Some(first) = receipts.first() else { return Ok(false) };
        let (first, mut last) = (first.first, last_of(first));
        let together = receipts.iter().take_while(|receipt| {
            let end = last_of(receipt).max(last);
            let fits = end == last || end - first < OFFSETS;
            last = if fits { end } else { last };
            fits
        });
        let together = together.count();
        receipts.truncate(together);
        let kept = read(&self.kafka, range(&self.kept, (first, last)), usize::MAX).await?;
        let is_read = |receipt: &&RecordsReceipt| last_of(receipt) < kept.read_to;
        let whole = receipts.iter().take_while(is_read).count();
        receipts.truncate(whole);
        let Some(last) = receipts.last() else {
            let KeptPartition { topic, partition, .. } = &self.kept;
            return Err(Failure::new(format!(
                "the records of topic {topic}, partition {partition}, from offset {first} on do not come in time"
            )));
        };
        self.after = Some((last.first, last.receipt_id));
        (self.receipts, self.records) = (receipts.into(), kept.records);
        Ok(true)
    }

    /// What the records of a receipt come to now. Where there are fewer than it was made of they are not all there is: Kafka keeps the others
    /// no more, or a format fails on them.
    async fn again<'p>(
        &self,
        receipt: &RecordsReceipt,
        source: &str,
        by: (&'p Pipeline, &Codecs),
    ) -> ReadAgain<'p> {
        let RecordsReceipt { receipt_id, received_at, stored_at, event_id, first, last, records } = receipt;
        let read_at = stored_at.unwrap_or_else(|| Clock::system().now()).max(*received_at);
        let of = OfReceipt { source, is_range: last.is_some(), read_at };
        let is_its = |record: &&Record| {
            (*first..=last_of(receipt)).contains(&record.offset)
                && (of.is_range || kept_records::is_of_event(record, event_id))
        };
        let mut requests = Vec::new();
        for record in self.records.iter().filter(is_its) {
            match kept_records::accept(record, of, by).await {
                Some(Ok(accepted)) => requests.push(Some(accepted)),
                Some(Err(error)) => left(*receipt_id, &error),
                None => {}
            }
        }
        let is_partial = requests.len() < usize::try_from(*records).unwrap_or(usize::MAX);
        ReadAgain { receipt_id: *receipt_id, requests, is_partial }
    }
}

impl Known {
    /// Says which part of the span has no requests.
    pub(super) fn tell(&self, partial: bool) -> Result<(), Failure> {
        let Self { kept, gone, topics, unknown } = self;
        eprintln!("{kept} requests are kept");
        for (topic, receipts) in topics.iter().filter(|(_, receipts)| *receipts > 0) {
            eprintln!("those of {receipts} receipts are kept by the topic {topic}");
        }
        if let (receipts @ 1.., Some((first, last))) = (gone.receipts, gone.between) {
            eprintln!("{receipts} are not, of those received from {first} to {last}");
        }
        let unknown = unknown.as_ref().filter(|(receipts, _)| *receipts > 0);
        if let Some((receipts, reason)) = unknown {
            eprintln!("those of {receipts} receipts are in a topic, and are not read: {reason}");
        }
        if (gone.receipts > 0 || unknown.is_some()) && !partial {
            return Err(
                Failure::new("a part of the span cannot be read again").hint("--partial goes on without it")
            );
        }
        Ok(())
    }
}

/// Says that a request is not read again.
pub(super) fn left(receipt: Uuid, why: &dyn std::fmt::Display) {
    eprintln!("the request of receipt {receipt} is left as it is: {why}");
}

fn last_of(receipt: &RecordsReceipt) -> i64 {
    receipt.last.unwrap_or(receipt.first)
}

fn range(kept: &KeptPartition, (first, last): (i64, i64)) -> RecordRange {
    RecordRange { topic: kept.topic.clone(), partition: kept.partition, first, last }
}

async fn read(
    (settings, form): &(KafkaSettings, RecordForm),
    range: RecordRange,
    most: usize,
) -> Result<KeptRecords, Failure> {
    let read = kafka::records(settings.clone(), (range, *form), most).await;
    read.map_err(|error| Failure::because("the records cannot be read", &error))
}

fn failed(error: impl Into<StoreError>) -> Failure {
    database::failed(&error.into())
}
