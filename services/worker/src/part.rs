//! A batch of Kafka as what is persisted of it.

use kafka::{Batch, Content, Owned, PlainRecord, Record, Span};
use payload::{Carried, PlainPayload};
use persist::{RecordContent, TopicRecord, Unreadable};
use pipeline_config::topic::RecordDevice;
use store::dead_letters::DeadEvent;
use store::topic_offsets::PartitionSpan;
use store::{RecordPlace, Topic};

/// Records of a topic in the order of their places.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) topic: Topic,
    pub(crate) records: Vec<TopicRecord>,
    /// Of their partitions, in order.
    pub(crate) spans: Vec<PartitionSpan>,
}

impl Part {
    /// `device` is what of a record names one, where its topic is one of a source that says so.
    pub(crate) fn of((topic, device): (Topic, Option<&RecordDevice>), batch: Batch) -> Self {
        let Batch { records, spans, .. } = batch;
        let spans: Vec<PartitionSpan> = spans.iter().map(partition_span).collect();
        let incarnation = |partition| {
            let span = spans.iter().find(|span| span.partition == partition);
            span.map_or(1, |span| span.incarnation)
        };
        let mut records = records.into_iter().peekable();
        let mut read = Vec::with_capacity(records.len());
        while let Some(record) = records.next() {
            let is_last = records.peek().is_none_or(|next| next.partition != record.partition);
            let incarnation = incarnation(record.partition);
            let hash = is_last.then(|| record.fingerprint());
            let Record { partition, offset, .. } = record;
            let place = RecordPlace { topic: topic.clone(), incarnation, partition, offset };
            read.push(topic_record(record, (place, device), hash));
        }
        Self { topic, records: read, spans }
    }

    pub(crate) fn of_partition(&self, partition: i32) -> &[TopicRecord] {
        let from = self.records.partition_point(|record| record.place.partition < partition);
        let to = self.records.partition_point(|record| record.place.partition <= partition);
        &self.records[from..to]
    }
}

const fn partition_span(span: &Span) -> PartitionSpan {
    let Span { owned: Owned { partition, epoch, incarnation, .. }, from, end } = *span;
    PartitionSpan { partition, epoch, incarnation, from, end }
}

/// The record with its place, and with what a dead letter keeps where it holds no event.
fn topic_record(
    record: Record,
    (place, device): (RecordPlace, Option<&RecordDevice>),
    hash: Option<i64>,
) -> TopicRecord {
    let Record { published_at, trace, content, bytes, .. } = record;
    let content = match content {
        Content::Event(event) => RecordContent::Event(Box::new(Carried::new(*event))),
        Content::Plain(PlainRecord { key, headers, value }) => {
            let source = (place.topic.source.clone().unwrap_or_default(), device);
            let head = (key.as_deref(), headers);
            RecordContent::Plain(PlainPayload::of_record(source, head, (value, bytes)))
        }
        Content::NoEvent(none) => {
            let headers: Vec<_> =
                none.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let kept = DeadEvent::of_record(&place, &headers, none.value.as_deref());
            RecordContent::Unreadable(Box::new(Unreadable { reason: none.reason, kept }))
        }
    };
    TopicRecord { place, published_at, trace, content, hash }
}
