//! The records of a topic, written as one.

use std::sync::Arc;

use cloudevents::AttributesReader as _;
use jiff::Timestamp;
use payload::{Accepted, Carried, Refusal, plausible};
use runtime::crash;
use store::dead_letters::{Cause, DeadEvent, DeadLetter};
use store::topic_offsets::PartitionSpan;
use store::{
    PayloadSamples, ResolvedStreams, StoreError, TopicBatch, TopicContent, TopicEntry, TopicWriteError,
};

use crate::error::PersistError;
use crate::events::{Origin, Outgoing, Publication};
use crate::persist::{Persist, resolved_by};
use crate::record::{self, Parts, dead_event, dead_letter};
use crate::topic_record::TopicRecord;

/// Records that are decoded and not written yet.
#[derive(Debug)]
pub struct Prepared {
    batch: TopicBatch,
    outgoing: Outgoing,
    now: Timestamp,
}

/// What a batch comes to.
struct Batch<'a> {
    persist: &'a Persist,
    now: Timestamp,
    entries: Vec<Option<TopicEntry>>,
    /// Of the dead letters, those that another pipeline file may take.
    unknown: Vec<&'a Carried>,
    outgoing: Outgoing,
}

/// A record that holds a payload.
struct AcceptedRecord<'a> {
    record: &'a TopicRecord,
    carried: &'a Carried,
    accepted: Accepted<'a>,
}

impl Persist {
    /// Decodes `records` of `topic`, which are in the order of their places and are all there is within `spans`, and finds their streams. Each
    /// record stands for itself: what cannot be taken of one is a dead letter, and harms none of the others.
    ///
    /// # Errors
    /// [`PersistError`] where the database is not there: all of it is to be tried again.
    pub async fn prepare(
        &self,
        (topic, records): (&Arc<str>, &[TopicRecord]),
        spans: &[PartitionSpan],
        now: Timestamp,
    ) -> Result<Prepared, PersistError> {
        self.noting_outage(self.prepare_all((topic, records), spans, now).await)
    }

    /// A record as a dead letter, without a look at what it holds.
    pub fn prepare_refused(
        &self,
        record: &TopicRecord,
        span: PartitionSpan,
        (reason, now): (String, Timestamp),
    ) -> Prepared {
        let event = record.event.as_ref().map_or_else(|unreadable| unreadable.kept.clone(), dead_event);
        let refused = dead_letter(event, (Cause::Rejected, reason), (self.parts.stage, now));
        let entry = record.refused(refused);
        let outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        Prepared {
            batch: TopicBatch::new((record.place.topic.clone(), now), vec![span], vec![entry]),
            outgoing,
            now,
        }
    }

    /// Writes what was prepared of `records`, and how far each partition is then; returns once all of it is safe, with what is to
    /// be published.
    ///
    /// # Errors
    /// [`PersistError`]: what is left of `prepared` is to be written again, unless its partitions are another worker's.
    pub async fn commit(
        &self,
        prepared: &mut Prepared,
        records: &[TopicRecord],
    ) -> Result<Vec<Publication>, PersistError> {
        let now = prepared.now;
        self.after_outage(self.commit_all(prepared, records).await, || {
            let first = records.iter().find_map(|record| Some((record, record.event.as_ref().ok()?)));
            first
                .map(|(record, carried)| Origin::of(carried, now, record.trace.as_ref(), Some(&record.place)))
        })
    }

    async fn prepare_all(
        &self,
        (topic, records): (&Arc<str>, &[TopicRecord]),
        spans: &[PartitionSpan],
        now: Timestamp,
    ) -> Result<Prepared, PersistError> {
        let outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        let entries = Vec::with_capacity(records.len());
        let mut batch = Batch { persist: self, now, entries, unknown: Vec::new(), outgoing };
        let accepted: Vec<_> = records.iter().map(|record| batch.accept(record)).collect();
        if !batch.unknown.is_empty() {
            self.decides_on(&batch.unknown, now).await?;
        }
        let samples: Vec<_> =
            accepted.iter().flatten().map(|one| record::samples(one.carried, &one.accepted)).collect();
        let resolved = match self.streams.resolve_all(&samples).await {
            Err(error) if error.is_data_error() => self.each_alone(&samples).await,
            all => all.map(|all| all.into_iter().map(Ok).collect()),
        };
        let resolved: Vec<Result<_, StoreError>> = resolved.map_err(PersistError::Streams)?;
        drop(samples);
        let places = accepted.into_iter().enumerate().filter_map(|(at, one)| Some((at, one?)));
        for ((at, one), resolved) in places.zip(resolved) {
            batch.entries[at] = Some(match resolved {
                Ok(resolved) => batch.taken(one, resolved),
                Err(error) => {
                    batch.refused(one.record, dead_event(one.carried), Cause::Rejected, error.to_string())
                }
            });
        }
        let entries = batch.entries.into_iter().flatten().collect();
        Ok(Prepared {
            batch: TopicBatch::new((Arc::clone(topic), now), spans.to_vec(), entries),
            outgoing: batch.outgoing,
            now,
        })
    }

    /// The streams of each payload, or what the database refuses of it.
    async fn each_alone(
        &self,
        samples: &[PayloadSamples<'_>],
    ) -> Result<Vec<Result<ResolvedStreams, StoreError>>, StoreError> {
        let mut each = Vec::with_capacity(samples.len());
        for samples in samples {
            match self.streams.resolve(samples).await {
                Err(error) if !error.is_data_error() => return Err(error),
                resolved => each.push(resolved),
            }
        }
        Ok(each)
    }

    async fn commit_all(
        &self,
        prepared: &mut Prepared,
        records: &[TopicRecord],
    ) -> Result<Vec<Publication>, PersistError> {
        if prepared.outgoing.requests_evaluation() {
            self.parts.prewarm.send();
        }
        crash::point("before-write");
        loop {
            match self.writer.write_topic(&mut prepared.batch).await {
                Ok(()) => break,
                Err(TopicWriteError::Data(error)) => self.refuse_first(prepared, records, error)?,
                Err(error) => return Err(PersistError::Topic(error)),
            }
        }
        crash::point("after-commit");
        Ok(prepared.outgoing.publications()?)
    }

    /// The record that the database refuses as a dead letter; one that is none either is tried again: none is passed over.
    fn refuse_first(
        &self,
        prepared: &mut Prepared,
        records: &[TopicRecord],
        error: StoreError,
    ) -> Result<(), PersistError> {
        let refused = prepared.batch.first_mut().and_then(|first| {
            let is_it = |record: &&TopicRecord| {
                (record.place.partition, record.place.offset) == (first.partition, first.offset)
            };
            let carried = records.iter().find(is_it)?.event.as_ref().ok()?;
            matches!(first.content, TopicContent::Payload(_)).then_some((first, carried))
        });
        let Some((first, carried)) = refused else {
            return Err(PersistError::Topic(TopicWriteError::Unavailable(error)));
        };
        let reason = TopicWriteError::Data(error).to_string();
        let failed = (self.parts.stage, prepared.now);
        let dead_letter = dead_letter(dead_event(carried), (Cause::Rejected, reason), failed);
        (first.content, first.sent_back) = (TopicContent::Refused(Box::new(dead_letter)), None);
        Ok(())
    }
}

impl<'a> Batch<'a> {
    /// What a record holds; what holds no payload is refused.
    fn accept(&mut self, record: &'a TopicRecord) -> Option<AcceptedRecord<'a>> {
        let carried = match &record.event {
            Ok(carried) => carried,
            Err(unreadable) => {
                let refused = self.refused(
                    record,
                    unreadable.kept.clone(),
                    Cause::Malformed,
                    unreadable.reason.clone(),
                );
                self.entries.push(Some(refused));
                return None;
            }
        };
        crash::on_event("decode", carried.event().id());
        // The record's own time, where it can be believed: reading it again gives the same one.
        let delivered_at = plausible(record.published_at, self.now);
        match Accepted::of_event(carried, &self.persist.parts.pipeline, delivered_at) {
            Ok(accepted) => {
                self.entries.push(None);
                Some(AcceptedRecord { record, carried, accepted })
            }
            Err(refusal) => {
                if refusal.is_of_pipeline() {
                    self.unknown.push(carried);
                }
                let refused = self.refused(record, dead_event(carried), cause(&refusal), refusal.to_string());
                self.entries.push(Some(refused));
                None
            }
        }
    }

    fn taken(&mut self, one: AcceptedRecord<'a>, resolved: ResolvedStreams) -> TopicEntry {
        let AcceptedRecord { record, carried, mut accepted } = one;
        record::leave_out(&mut accepted, &resolved);
        let requests = self.persist.requests(&accepted, &resolved.streams);
        let trace = record.trace.clone();
        self.outgoing.add(&accepted, &resolved, &requests, || {
            Origin::of(carried, accepted.received_at, trace.as_ref(), Some(&record.place))
        });
        let (place, failed) = (Some(record.place.clone()), (self.persist.parts.stage, self.now));
        let pipeline = self.persist.parts.pipeline.hash_number();
        let parts = Parts { carried, accepted: &accepted, requests, trace, place, pipeline, failed };
        let payload = record::payload(parts, resolved);
        let sent_back = resolved_by(&payload, carried);
        record.entry(TopicContent::Payload(Box::new(payload)), sent_back)
    }

    fn refused(&self, record: &TopicRecord, event: DeadEvent, cause: Cause, reason: String) -> TopicEntry {
        let failed = (self.persist.parts.stage, self.now);
        record.refused(dead_letter(event, (cause, reason), failed))
    }
}

impl TopicRecord {
    fn entry(&self, content: TopicContent, sent_back: Option<store::dead_letters::SentBack>) -> TopicEntry {
        let (partition, offset) = (self.place.partition, self.place.offset);
        TopicEntry { partition, offset, hash: self.hash, content, sent_back }
    }

    fn refused(&self, dead_letter: DeadLetter) -> TopicEntry {
        self.entry(TopicContent::Refused(Box::new(dead_letter)), None)
    }
}

/// As the answers to a delivery are understood: 400 and 422.
const fn cause(refusal: &Refusal) -> Cause {
    if refusal.status() == 400 { Cause::Malformed } else { Cause::Rejected }
}
