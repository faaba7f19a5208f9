//! The records of a topic: rows and offsets in one transaction.
//!
//! ```text
//! records in order ──> a prefix ──┬─ rows, dead letters, `next` ──> commit ──> the rest
//!                        ^        ├─ the data are at fault: half of it; one record alone is refused
//!                        └────────┴─ `next` was ahead: what is committed already is left out
//!                                 └─ the epoch is not ours any more: fenced
//! ```
//!
//! A prefix holds no two payloads of one key that may both be stored. What is sent in one flight is as for other payloads.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use deadpool_postgres::Client;
use futures_util::try_join;
use jiff::Timestamp;
use thiserror::Error;
use tokio_postgres::Error as SqlError;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::payload::Payload;
use super::ranges::{self, RANGES, RangeReceipt};
use super::transaction::{Rest, roll_back};
use super::{BATCH_ROWS, LIMIT, Premises, Worker, Writer, Written, batch, statements, tables};
use crate::dead_letters::{self, DeadLetter, SentBack};
use crate::topic_offsets::{self, ADVANCE, PartitionSpan, Standing};
use crate::{StoreError, Topic};

/// Records of a topic on their way into the database. What is committed leaves it.
#[derive(Debug)]
pub struct TopicBatch {
    topic: Topic,
    /// One for each partition, in the order of their numbers.
    spans: Vec<PartitionSpan>,
    /// In the order of their places.
    entries: VecDeque<TopicEntry>,
    /// What became of the payloads that have left.
    written: Vec<Written>,
    at: Timestamp,
}

/// A record, and what is written of it.
#[derive(Debug)]
pub struct TopicEntry {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// What tells it from a record at the same place of another topic of the same name; of those that are last of their partition.
    pub hash: Option<i64>,
    /// What it holds.
    pub content: TopicContent,
    /// The dead letter that is resolved by storing it.
    pub sent_back: Option<SentBack>,
}

/// What a record comes to.
#[derive(Debug)]
pub enum TopicContent {
    /// A payload.
    Payload(Box<Payload>),
    /// What could not be taken.
    Refused(Box<DeadLetter>),
}

/// Why records were not written, or are not known to be.
#[derive(Debug, Error)]
pub enum TopicWriteError {
    /// The database refuses the data of the first record that is left.
    #[error("the database refuses the data")]
    Data(#[source] StoreError),
    /// Something failed that has nothing to do with the records.
    #[error("the write failed")]
    Unavailable(#[source] StoreError),
    /// These partitions are another worker's now.
    #[error("another worker holds the partitions {0:?}")]
    Fenced(Vec<i32>),
}

impl TopicBatch {
    /// `entries` of `topic` in the order of their places; `spans` of all their partitions, in order. What of them was sent back is
    /// resolved at `at`.
    pub fn new((topic, at): (Topic, Timestamp), spans: Vec<PartitionSpan>, entries: Vec<TopicEntry>) -> Self {
        Self { topic, spans, entries: entries.into(), written: Vec::new(), at }
    }

    /// The first record that is not committed yet.
    pub fn first_mut(&mut self) -> Option<&mut TopicEntry> {
        self.entries.front_mut()
    }

    /// What became of the payloads that were committed, in their order.
    pub fn written(&self) -> &[Written] {
        &self.written
    }

    fn is_done(&self) -> bool {
        self.spans.is_empty()
    }

    /// The spans of the first `records` records, each up to where those end.
    fn spans_of(&self, records: usize) -> Vec<PartitionSpan> {
        let next = self.entries.get(records).map(|entry| (entry.partition, entry.offset));
        let mut spans = Vec::with_capacity(self.spans.len());
        for span in &self.spans {
            match next {
                Some((partition, _)) if span.partition > partition => break,
                Some((partition, offset)) if span.partition == partition => {
                    let last = records.checked_sub(1).and_then(|last| self.entries.get(last));
                    if last.is_some_and(|last| last.partition == partition) {
                        spans.push(PartitionSpan { end: offset, ..*span });
                    }
                    break;
                }
                _ => spans.push(*span),
            }
        }
        spans
    }

    /// Takes out what was committed: the first `records` records, whose spans are `spans`.
    fn advance(&mut self, records: usize, spans: &[PartitionSpan]) {
        for entry in self.entries.drain(..records) {
            if let TopicContent::Refused(dead_letter) = entry.content {
                let (id, cause, reason) = (dead_letter.id(), dead_letter.cause.as_str(), &dead_letter.reason);
                tracing::warn!(dead_letter = %id, cause, reason, "kept a dead letter");
            }
        }
        for done in spans {
            self.pass(done.partition, done.end);
        }
    }

    /// Notes that `partition` is committed up to `next`.
    fn pass(&mut self, partition: i32, next: i64) {
        self.entries.retain(|entry| entry.partition != partition || entry.offset >= next);
        for span in &mut self.spans {
            if span.partition == partition {
                span.from = span.from.max(next);
            }
        }
        self.spans.retain(|span| span.partition != partition || span.from < span.end);
    }
}

/// What came of an attempt.
enum Attempted {
    /// It is committed.
    Committed(Vec<Written>),
    /// It is to be tried again with the first so many records.
    Shorter(usize),
    /// These partitions do not stand where they did.
    Moved(Vec<i32>),
}

impl Writer {
    /// Writes the records of `batch` and how far each partition is then: a prefix a transaction, until nothing is left.
    ///
    /// # Errors
    /// [`TopicWriteError`]; what was committed before has left `batch`.
    pub async fn write_topic(&self, batch: &mut TopicBatch) -> Result<(), TopicWriteError> {
        let worker = &*self.direct;
        let mut most = usize::MAX;
        while !batch.is_done() {
            let records = fitting(batch, most);
            let spans = batch.spans_of(records);
            let premises = worker.settle(batch.entries.iter_mut().take(records)).await;
            let premises = premises.map_err(TopicWriteError::Unavailable)?;
            let ranges = ranges::stamp(&batch.topic, &spans, batch.entries.iter_mut().take(records));
            match worker.attempt_topic(batch, records, (&spans, &ranges, premises)).await {
                Ok(Attempted::Committed(written)) => {
                    worker.committed(written.len());
                    batch.written.extend(written);
                    batch.advance(records, &spans);
                    most = usize::MAX;
                }
                Ok(Attempted::Shorter(records)) => most = records,
                Ok(Attempted::Moved(partitions)) => worker.catch_up(batch, &partitions).await?,
                Err(error) if !error.is_data_error() => return Err(TopicWriteError::Unavailable(error)),
                Err(error) if records <= 1 => return Err(TopicWriteError::Data(error)),
                Err(_) => most = records / 2,
            }
        }
        Ok(())
    }
}

/// How many of the first records, at most `most`, go into one transaction.
fn fitting(batch: &TopicBatch, most: usize) -> usize {
    let mut rows = 0;
    let fits = batch.entries.iter().take(most).take_while(|entry| {
        rows += entry.payload().map_or(0, |payload| payload.rows.len());
        rows <= BATCH_ROWS
    });
    fits.count().max(1).min(batch.entries.len())
}

impl TopicEntry {
    fn payload(&self) -> Option<&Payload> {
        match &self.content {
            TopicContent::Payload(payload) => Some(payload),
            TopicContent::Refused(_) => None,
        }
    }
}

/// The payloads of a prefix by what their keys allow.
#[derive(Default)]
struct Distinct<'a> {
    /// The first of each key, and all that have none: their offsets tell them apart.
    first: Vec<&'a Payload>,
    /// Repetitions of a first one: the record's place, and the receipt of that.
    repeated: Vec<(usize, Uuid)>,
    /// The record before which the prefix ends: of the same key as a first one, and no repetition of it.
    cut: Option<usize>,
}

impl<'a> Distinct<'a> {
    fn of(entries: impl Iterator<Item = &'a TopicEntry>) -> Self {
        let mut distinct = Self::default();
        let mut firsts: HashMap<_, &Payload> = HashMap::new();
        for (at, entry) in entries.enumerate() {
            let Some(payload) = entry.payload() else { continue };
            if payload.key.is_none() {
                distinct.first.push(payload);
                continue;
            }
            match firsts.entry(payload.identity()) {
                Entry::Vacant(free) => {
                    free.insert(payload);
                    distinct.first.push(payload);
                }
                Entry::Occupied(first) if payload.repeats(first.get()) => {
                    distinct.repeated.push((at, first.get().receipt.id));
                }
                Entry::Occupied(_) => {
                    distinct.cut = Some(at);
                    break;
                }
            }
        }
        distinct
    }
}

impl Worker {
    /// Settles what is to be written; while what it can be.
    async fn settle(&self, entries: impl Iterator<Item = &mut TopicEntry>) -> Result<Premises, StoreError> {
        let reading = async {
            let client = self.database.client().await?;
            Ok::<_, StoreError>(self.shared.floors.current(&client).await?)
        };
        let floors = tokio::time::timeout(LIMIT, reading).await.map_err(|_| StoreError::Timeout)??;
        let mut premises = Premises::new(floors.until);
        for entry in entries {
            if let TopicContent::Payload(payload) = &mut entry.content {
                payload.settle(&floors);
                premises.add(payload);
            }
        }
        Ok(premises)
    }

    /// Leaves out of `batch` what is committed of `partitions` already: an answer was lost on its way.
    async fn catch_up(&self, batch: &mut TopicBatch, partitions: &[i32]) -> Result<(), TopicWriteError> {
        let standing = async {
            let client = self.database.client().await?;
            Ok::<_, StoreError>(topic_offsets::standing(&client, &batch.topic, partitions).await?)
        };
        let standing = standing.await.map_err(TopicWriteError::Unavailable)?;
        let mut fenced = Vec::new();
        for partition in partitions {
            let Some(span) = batch.spans.iter().find(|span| span.partition == *partition) else { continue };
            match standing.iter().find(|standing| standing.partition == *partition) {
                Some(Standing { epoch, next, .. }) if *epoch == span.epoch && *next > span.from => {
                    batch.pass(*partition, *next);
                }
                _ => fenced.push(*partition),
            }
        }
        if fenced.is_empty() { Ok(()) } else { Err(TopicWriteError::Fenced(fenced)) }
    }

    async fn attempt_topic(
        &self,
        batch: &TopicBatch,
        records: usize,
        (spans, ranges, premises): (&[PartitionSpan], &[RangeReceipt], Premises),
    ) -> Result<Attempted, StoreError> {
        let entries = || batch.entries.iter().take(records);
        let distinct = Distinct::of(entries());
        if let Some(cut) = distinct.cut {
            return Ok(Attempted::Shorter(cut));
        }
        let connecting = async {
            let client = self.database.client().await?;
            self.shared.partitions.ensure(&client, &batch::partitions(&distinct.first)).await?;
            Ok::<_, StoreError>(client)
        };
        let client = tokio::time::timeout(LIMIT, connecting).await.map_err(|_| StoreError::Timeout)??;
        let part = Part {
            topic: &batch.topic,
            at: batch.at,
            entries: entries().collect(),
            spans,
            ranges,
            premises,
            distinct,
        };
        match tokio::time::timeout(LIMIT, self.write_part(&client, &part)).await {
            Ok(attempted) => attempted.map_err(|error| self.failed(error)),
            Err(_) => {
                // The connection is in the midst of something: it is closed.
                drop(Client::take(client));
                Err(StoreError::Timeout)
            }
        }
    }

    async fn write_part(&self, client: &Client, part: &Part<'_>) -> Result<Attempted, SqlError> {
        let mut upserts = !self.shared.strategy.next_is_optimistic();
        let mut duplicates = HashSet::new();
        loop {
            let written = part.write(client, upserts, &duplicates).await;
            let sent = match written {
                Ok(sent) => sent,
                Err(error) => {
                    roll_back(client).await;
                    if upserts || error.code() != Some(&SqlState::UNIQUE_VIOLATION) {
                        return Err(error);
                    }
                    self.shared.strategy.met_existing();
                    upserts = true;
                    continue;
                }
            };
            if !sent.moved.is_empty() {
                roll_back(client).await;
                return Ok(Attempted::Moved(sent.moved));
            }
            let known = duplicates.len();
            duplicates.extend(sent.taken);
            if duplicates.len() > known {
                roll_back(client).await;
                // What repeats a repetition may come too late to repeat what is stored: it goes by itself.
                let undecided = part.distinct.repeated.iter().find(|(_, first)| duplicates.contains(first));
                if let Some((at, _)) = undecided {
                    return Ok(Attempted::Shorter(*at));
                }
                continue;
            }
            client.batch_execute("commit").await?;
            return Ok(Attempted::Committed(part.outcomes(&duplicates)));
        }
    }
}

/// What one transaction is to write.
struct Part<'a> {
    topic: &'a Topic,
    at: Timestamp,
    entries: Vec<&'a TopicEntry>,
    spans: &'a [PartitionSpan],
    ranges: &'a [RangeReceipt],
    premises: Premises,
    distinct: Distinct<'a>,
}

/// What PostgreSQL said of it.
struct Sent {
    /// Receipts of payloads that were there before.
    taken: HashSet<Uuid>,
    /// Partitions that do not stand where they did.
    moved: Vec<i32>,
}

impl Part<'_> {
    /// Everything but the commit, without the payloads whose receipts are `duplicates`.
    async fn write(
        &self,
        client: &Client,
        upserts: bool,
        duplicates: &HashSet<Uuid>,
    ) -> Result<Sent, SqlError> {
        let prepare = async |sql| client.prepare_cached(sql).await;
        let open = |payload: &&Payload| !duplicates.contains(&payload.receipt.id);
        let payloads: Vec<&Payload> = self.distinct.first.iter().copied().filter(open).collect();
        let rows = batch::rows(&payloads);
        let mut rest = Rest::of(&payloads, None, self.premises.until);
        rest.dead_letters.extend(self.entries.iter().filter_map(|entry| match &entry.content {
            TopicContent::Refused(dead_letter) => Some((dead_letter.id(), &**dead_letter)),
            TopicContent::Payload(_) => None,
        }));
        let keyed: Vec<&Payload> = payloads.iter().copied().filter(|payload| payload.key.is_some()).collect();
        // The receipts of the others are ranges, which count it themselves.
        rest.expired = batch::expired(&keyed);
        let (advance, ranges, prepared) = try_join!(prepare(ADVANCE), prepare(RANGES), rest.prepare(client))?;
        let of_ranges = (self.topic, self.ranges);
        if !upserts {
            let (rows_alone, fresh) = (keyed.is_empty(), statements::fresh(batch::keep_requests(&keyed)));
            let (keys, fresh) = try_join!(
                prepare(statements::FRESH_KEYS),
                prepare(if rows_alone { statements::FRESH_ROWS } else { fresh }),
            )?;
            let fresh = async {
                if rows_alone {
                    tables::fresh_moments(client, &fresh, (&rows, self.premises)).await
                } else {
                    tables::fresh(client, &fresh, (&keyed, &rows, self.premises)).await
                }
            };
            // Sent in this order, which is that of the locks.
            let (.., moved) = try_join!(
                client.batch_execute("begin"),
                tables::keys(client, &keys, &keyed),
                ranges::write(client, &ranges, of_ranges),
                fresh,
                rest.write(client, &prepared),
                self.resolve(client),
                self.move_on(client, &advance),
            )?;
            return Ok(Sent { taken: HashSet::new(), moved });
        }
        let (keys, receipts, moments) = try_join!(
            prepare(statements::KEYS),
            tables::prepare_receipts(client),
            prepare(statements::NEW_ROWS),
        )?;
        let (_, mut taken, written, .., moved) = try_join!(
            client.batch_execute("begin"),
            tables::keys(client, &keys, &keyed),
            tables::receipts(client, &receipts, &keyed),
            ranges::write(client, &ranges, of_ranges),
            tables::moments(client, &moments, (&rows, self.premises)),
            rest.write(client, &prepared),
            self.resolve(client),
            self.move_on(client, &advance),
        )?;
        taken.extend(keyed.iter().map(|payload| payload.receipt.id).filter(|id| !written.contains(id)));
        Ok(Sent { taken, moved })
    }

    /// What was sent back has come to what it was kept for, whether it is stored now or was before.
    async fn resolve(&self, client: &Client) -> Result<(), SqlError> {
        for entry in &self.entries {
            if let Some(sent_back) = &entry.sent_back {
                dead_letters::resolve(client, sent_back, self.at).await?;
            }
        }
        Ok(())
    }

    /// The partitions that do not stand where they did.
    async fn move_on(
        &self,
        client: &Client,
        advance: &tokio_postgres::Statement,
    ) -> Result<Vec<i32>, SqlError> {
        let spans = || self.spans.iter();
        let last = |span: &PartitionSpan| {
            let last = self.entries.iter().rev().find(|entry| entry.partition == span.partition)?;
            last.hash.map(|hash| (last.offset, hash))
        };
        let rows = client
            .query(
                advance,
                &[
                    &&*self.topic.name,
                    &spans().map(|span| span.partition).collect::<Vec<_>>(),
                    &spans().map(|span| span.epoch).collect::<Vec<_>>(),
                    &spans().map(|span| span.from).collect::<Vec<_>>(),
                    &spans().map(|span| span.end).collect::<Vec<_>>(),
                    &spans().map(|span| last(span).map(|(offset, _)| offset)).collect::<Vec<_>>(),
                    &spans().map(|span| last(span).map(|(_, hash)| hash)).collect::<Vec<_>>(),
                    &self.topic.source_text(),
                ],
            )
            .await?;
        topic_offsets::missing(self.spans, &rows)
    }

    /// What became of each payload.
    fn outcomes(&self, duplicates: &HashSet<Uuid>) -> Vec<Written> {
        let repeated: HashSet<usize> = self.distinct.repeated.iter().map(|(at, _)| *at).collect();
        let outcome = |(at, entry): (usize, &&TopicEntry)| {
            let payload = entry.payload()?;
            let is_duplicate = repeated.contains(&at) || duplicates.contains(&payload.receipt.id);
            Some(if is_duplicate { Written::Duplicate } else { Written::Stored })
        };
        self.entries.iter().enumerate().filter_map(outcome).collect()
    }
}
