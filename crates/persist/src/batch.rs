//! The records of a topic, written as one.

use cloudevents::AttributesReader as _;
use codecs::CodecError;
use jiff::Timestamp;
use payload::{Acceptance, Accepted, Carried, Origin as PayloadOrigin, PlainPayload, Refusal, plausible};
use runtime::crash;
use store::dead_letters::{Cause, DeadEvent, DeadLetter};
use store::topic_offsets::PartitionSpan;
use store::{
    PayloadSamples, ResolvedStreams, StoreError, Topic, TopicBatch, TopicContent, TopicEntry, TopicWriteError,
};

use crate::error::PersistError;
use crate::events::{Origin, Outgoing, Publication};
use crate::persist::{Persist, resolved_by};
use crate::record::{self, Carrier, Parts, dead_letter};
use crate::topic_record::{RecordContent, TopicRecord, Unreadable};

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
    carrier: Carrier<'a>,
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
        (topic, records): (&Topic, &[TopicRecord]),
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
        let event = match self.carrier(record) {
            Ok(carrier) => carrier.refused_event(),
            Err(unreadable) => unreadable.kept.clone(),
        };
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
            let is_payload = |record: &&TopicRecord| !matches!(record.content, RecordContent::Unreadable(_));
            records.iter().find(is_payload).map(|record| Origin::of_record(record, now))
        })
    }

    /// How the record's payload came, where it has one.
    fn carrier<'a>(&'a self, record: &'a TopicRecord) -> Result<Carrier<'a>, &'a Unreadable> {
        match &record.content {
            RecordContent::Event(carried) => Ok(Carrier::Event(carried)),
            RecordContent::Plain(plain) => {
                Ok(Carrier::Record { plain, place: &record.place, pipeline: &self.parts.pipeline })
            }
            RecordContent::Unreadable(unreadable) => Err(unreadable),
        }
    }

    async fn prepare_all(
        &self,
        (topic, records): (&Topic, &[TopicRecord]),
        spans: &[PartitionSpan],
        now: Timestamp,
    ) -> Result<Prepared, PersistError> {
        let outgoing = Outgoing::new(self.parts.pipeline.emit, self.parts.stage);
        let entries = Vec::with_capacity(records.len());
        let mut batch = Batch { persist: self, now, entries, unknown: Vec::new(), outgoing };
        // Records whose streams are to be looked for, or made; what needs neither is done with at once.
        let mut open = Vec::new();
        for (at, record) in records.iter().enumerate() {
            let Some(one) = batch.accept(record).await? else { continue };
            match self.streams.resolve_met(&record::samples(one.carrier.receipt_id(), &one.accepted)) {
                Some(resolved) => batch.entries[at] = Some(batch.taken(one, resolved)),
                None => open.push((at, one)),
            }
        }
        if !batch.unknown.is_empty() {
            self.decides_on(&batch.unknown, now).await?;
        }
        let samples: Vec<_> =
            open.iter().map(|(_, one)| record::samples(one.carrier.receipt_id(), &one.accepted)).collect();
        let resolved = match self.streams.resolve_all(&samples).await {
            Err(error) if error.is_data_error() => self.each_alone(&samples).await,
            all => all.map(|all| all.into_iter().map(Ok).collect()),
        };
        let resolved: Vec<Result<_, StoreError>> = resolved.map_err(PersistError::Streams)?;
        drop(samples);
        for ((at, one), resolved) in open.into_iter().zip(resolved) {
            batch.entries[at] = Some(match resolved {
                Ok(resolved) => batch.taken(one, resolved),
                Err(error) => {
                    let event = one.carrier.dead_event(&one.accepted);
                    batch.refused(one.record, event, Cause::Rejected, error.to_string())
                }
            });
        }
        let entries = batch.entries.into_iter().flatten().collect();
        Ok(Prepared {
            batch: TopicBatch::new((topic.clone(), now), spans.to_vec(), entries),
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
                Err(error) => return Err(self.noting_registry(PersistError::Topic(error))),
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
            let carrier = self.carrier(records.iter().find(is_it)?).ok()?;
            matches!(first.content, TopicContent::Payload(_)).then_some((first, carrier))
        });
        let Some((first, carrier)) = refused else {
            return Err(PersistError::Topic(TopicWriteError::Unavailable(error)));
        };
        let reason = TopicWriteError::Data(error).to_string();
        let failed = (self.parts.stage, prepared.now);
        let dead_letter = dead_letter(carrier.refused_event(), (Cause::Rejected, reason), failed);
        (first.content, first.sent_back) = (TopicContent::Refused(Box::new(dead_letter)), None);
        Ok(())
    }
}

impl<'a> Batch<'a> {
    /// What a record holds; what holds no payload is refused.
    async fn accept(&mut self, record: &'a TopicRecord) -> Result<Option<AcceptedRecord<'a>>, PersistError> {
        let carrier = match self.persist.carrier(record) {
            Ok(carrier) => carrier,
            Err(Unreadable { reason, kept }) => {
                let refused = self.refused(record, kept.clone(), Cause::Malformed, reason.clone());
                self.entries.push(Some(refused));
                return Ok(None);
            }
        };
        let accepted = match self.accepted(record, carrier) {
            Ok(acceptance) => self.persist.complete(acceptance).await,
            Err(refusal) => Err(refusal.into()),
        };
        match accepted {
            Ok(accepted) => {
                self.entries.push(None);
                Ok(Some(AcceptedRecord { record, carrier, accepted }))
            }
            Err(CodecError::Unavailable(unavailable)) => Err(unavailable.into()),
            Err(CodecError::Refused(refusal)) => {
                if let (true, Carrier::Event(carried)) = (refusal.is_of_pipeline(), carrier) {
                    self.unknown.push(carried);
                }
                let event = carrier.refused_event();
                let refused = self.refused(record, event, cause(&refusal), refusal.to_string());
                self.entries.push(Some(refused));
                Ok(None)
            }
        }
    }

    fn accepted(&self, record: &TopicRecord, carrier: Carrier<'a>) -> Result<Acceptance<'a>, Refusal> {
        let pipeline = &self.persist.parts.pipeline;
        match carrier {
            Carrier::Event(carried) => {
                crash::on_event("decode", carried.event().id());
                // The record's own time, where it can be believed: reading it again gives the same one.
                Accepted::of_event(carried, pipeline, plausible(record.published_at, self.now))
            }
            Carrier::Record { plain, place, .. } => {
                let received_at = PlainPayload::received_at(record.published_at, place.offset, self.now);
                plain.accept(PayloadOrigin::named(pipeline, &plain.source)?, received_at)
            }
        }
    }

    fn taken(&mut self, one: AcceptedRecord<'a>, resolved: ResolvedStreams) -> TopicEntry {
        let AcceptedRecord { record, carrier, mut accepted } = one;
        record::leave_out(&mut accepted, &resolved);
        let requests = self.persist.requests(&accepted, &resolved.streams);
        let trace = record.trace.clone();
        self.outgoing
            .add(&accepted, &resolved, &requests, || Origin::of_record(record, accepted.received_at));
        let (place, failed) = (Some(record.place.clone()), (self.persist.parts.stage, self.now));
        let pipeline = self.persist.parts.pipeline.hash_number();
        let parts = Parts { carrier, accepted: &accepted, requests, trace, place, pipeline, failed };
        let payload = record::payload(parts, resolved);
        let sent_back = resolved_by(&payload, carrier);
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
