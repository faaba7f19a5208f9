//! A record of a topic as it was read.

use jiff::Timestamp;
use payload::{Carried, PlainPayload};
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
    /// What it holds.
    pub content: RecordContent,
    /// What tells it from a record at the same place of another topic of the same name; of the last of each partition.
    pub hash: Option<i64>,
}

/// What a record holds.
#[derive(Debug)]
pub enum RecordContent {
    /// An event.
    Event(Box<Carried>),
    /// A payload of the source whose topic it is.
    Plain(PlainPayload),
    /// No event, where one was expected.
    Unreadable(Box<Unreadable>),
}

/// A record that holds no event.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Why.
    pub reason: String,
    /// What the dead letter keeps of it.
    pub kept: DeadEvent,
}
