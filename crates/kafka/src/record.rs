//! A record as it was read: an event, or why it is none; or what the record of a topic of others holds.

use std::sync::Arc;

use bytes::Bytes;
use cloudevents::{AttributesReader as _, Event};
use event_model::ids;
use jiff::Timestamp;
use pipeline_config::SourceTopics;
use pipeline_config::topic::RecordDevice;
use runtime::trace::TraceContext;

/// A record of a topic.
#[derive(Debug)]
pub struct Record {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// The trace that it belongs to (W3C Trace Context).
    pub trace: Option<TraceContext>,
    /// What it holds.
    pub content: Content,
    /// How large its value is, in bytes.
    pub bytes: usize,
}

/// How the records of a topic are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordForm {
    /// As CloudEvents (their Kafka protocol binding).
    Events,
    /// As they are.
    Plain {
        /// Whether their keys are read.
        with_key: bool,
    },
}

impl RecordForm {
    /// As a source reads those of its topics.
    pub fn of_source(topics: &SourceTopics) -> Self {
        Self::Plain { with_key: topics.device == Some(RecordDevice::Key) }
    }
}

/// What a record holds.
#[derive(Debug)]
pub enum Content {
    /// An event.
    Event(Box<Event>),
    /// Whatever its producer put there.
    Plain(PlainRecord),
    /// No event, where one was expected.
    NoEvent(Box<NoEvent>),
}

/// A record as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainRecord {
    /// The key, where it was asked for and there is one.
    pub key: Option<Bytes>,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value; `None` where there is none (a tombstone), or where it is over 1 MiB: [`Record::bytes`] tells which.
    pub value: Option<Bytes>,
}

/// Records of a partition that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRange {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the first.
    pub first: i64,
    /// The offset of the last.
    pub last: i64,
}

/// Records that Kafka keeps still.
#[derive(Debug)]
pub struct KeptRecords {
    /// The offset of the first that the partition keeps.
    pub kept_from: i64,
    /// The offset that its next record gets.
    pub end: i64,
    /// Up to this offset the partition was read: behind the last that was asked for, or before what is left for another time.
    pub read_to: i64,
    /// Those of them that were asked for, in order.
    pub records: Vec<Record>,
}

impl Record {
    /// What tells it from a record at the same place of another topic of the same name: its time, and what it is known by.
    pub fn fingerprint(&self) -> i64 {
        let at = self.published_at.map(Timestamp::as_millisecond).unwrap_or_default().to_string();
        let (source, id) = match &self.content {
            Content::Event(event) => (event.source().as_str(), event.id()),
            Content::Plain(_) | Content::NoEvent(_) => ("", ""),
        };
        let id = ids::derive("record", &[&at, source, id, &self.bytes.to_string()]);
        i64::from_be_bytes(*id.as_bytes().first_chunk().expect("an id has sixteen bytes"))
    }
}

/// A record that holds no event.
#[derive(Debug)]
pub struct NoEvent {
    /// Why.
    pub reason: String,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value.
    pub value: Option<Vec<u8>>,
}
