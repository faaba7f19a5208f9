//! A record as it was read: an event, or why it is none.

use std::sync::Arc;

use cloudevents::Event;
use event_model::cloudevent;
use jiff::Timestamp;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};
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

impl Record {
    /// Takes what is needed of `message`.
    pub(crate) fn of(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> Self {
        let headers: Vec<(&str, &[u8])> = message
            .headers()
            .map(|headers| {
                headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect()
            })
            .unwrap_or_default();
        let value = message.payload();
        let event = cloudevent::from_kafka(headers.iter().copied(), value).map_err(|error| {
            Box::new(NoEvent {
                reason: format!("the record is no CloudEvent: {error}"),
                headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
                value: value.map(<[u8]>::to_vec),
            })
        });
        let header = |name| {
            let (_, value) = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(value).ok().map(str::to_owned)
        };
        let extension = |name| {
            let event = event.as_ref().ok()?;
            cloudevent::extension(event, name).map(std::borrow::Cow::into_owned)
        };
        let trace = TraceContext::read(header).or_else(|| TraceContext::read(extension));
        let published_at = message.timestamp().to_millis();
        Self {
            topic: Arc::clone(topic),
            partition: message.partition(),
            offset: message.offset(),
            published_at: published_at.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            trace,
            bytes: value.map_or(0, <[u8]>::len),
            event,
        }
    }
}
