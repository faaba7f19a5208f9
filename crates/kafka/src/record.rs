//! A record as it was read: an event, or why it is none.

use std::sync::Arc;

use cloudevents::{AttributesReader as _, Event};
use event_model::ids;
use jiff::Timestamp;
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
    /// The event, or what there is of a record that holds none.
    pub event: Result<Event, Box<NoEvent>>,
    /// How large its value is, in bytes.
    pub bytes: usize,
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
    /// Those of them that were asked for, in order.
    pub records: Vec<Record>,
}

impl Record {
    /// What tells it from a record at the same place of another topic of the same name: its time, and what it is known by.
    pub fn fingerprint(&self) -> i64 {
        let at = self.published_at.map(Timestamp::as_millisecond).unwrap_or_default().to_string();
        let (source, id) = match &self.event {
            Ok(event) => (event.source().as_str(), event.id()),
            Err(_) => ("", ""),
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
