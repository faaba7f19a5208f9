//! A record of a topic as it was read: an event, or why it is none.

use jiff::Timestamp;
use payload::Carried;
use runtime::trace::TraceContext;
use store::RecordPlace;
use store::dead_letters::DeadEvent;

/// A record of a topic.
#[derive(Debug)]
pub struct TopicRecord {
    /// Where it stands.
    pub place: RecordPlace,
    /// When it was published.
    pub published_at: Option<Timestamp>,
    /// The trace that it belongs to (W3C Trace Context).
    pub trace: Option<TraceContext>,
    /// The event, or what is kept of a record that holds none.
    pub event: Result<Carried, Box<Unreadable>>,
    /// What tells it from a record at the same place of another topic of the same name; of the last of each partition.
    pub hash: Option<i64>,
}

/// A record that holds no event.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Why.
    pub reason: String,
    /// What the dead letter keeps of it.
    pub kept: DeadEvent,
}
