//! A record as it was read: an event, or why it is none.

use std::sync::Arc;

use cloudevents::Event;
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
