//! One record as it was read: an event, or why it is none.

use std::sync::Arc;

use cloudevents::Event;
use event_model::cloudevent;
use jiff::Timestamp;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers as _};
use runtime::trace;
use store::RecordPlace;
use store::dead_letters::{Cause, DeadEvent, DeadLetter};

use crate::record::STAGE;

/// A record of the topic.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) place: RecordPlace,
    /// When it was published.
    pub(super) published_at: Option<Timestamp>,
    pub(super) traceparent: Option<String>,
    /// The event, or what is kept of a record that holds none.
    pub(super) event: Result<Event, Box<Unreadable>>,
    /// How large its value is.
    pub(super) bytes: usize,
}

/// A record that holds no event.
#[derive(Debug)]
pub(super) struct Unreadable {
    reason: String,
    kept: DeadEvent,
}

impl Record {
    /// Takes what is needed of `message`.
    pub(super) fn of(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> Self {
        let headers: Vec<(&str, &[u8])> = message
            .headers()
            .map(|headers| {
                headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect()
            })
            .unwrap_or_default();
        let (partition, offset) = (message.partition(), message.offset());
        let place = RecordPlace { topic: Arc::clone(topic), partition, offset };
        let value = message.payload();
        let event = cloudevent::from_kafka(headers.iter().copied(), value).map_err(|error| {
            let kept = DeadEvent::of_record(&place, &headers, value);
            Box::new(Unreadable { reason: format!("the record is no CloudEvent: {error}"), kept })
        });
        let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(trace::TRACEPARENT));
        let header = header.and_then(|(_, value)| std::str::from_utf8(value).ok()).map(str::to_owned);
        let extension = || {
            let event = event.as_ref().ok()?;
            cloudevent::extension(event, trace::TRACEPARENT).map(std::borrow::Cow::into_owned)
        };
        Self {
            place,
            published_at: message
                .timestamp()
                .to_millis()
                .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            traceparent: header.or_else(extension),
            bytes: value.map_or(0, <[u8]>::len),
            event,
        }
    }
}

/// The dead letter of a record without an event.
pub(super) fn unreadable_letter(unreadable: &Unreadable, at: Timestamp) -> DeadLetter {
    letter(unreadable.kept.clone(), Cause::Malformed, &unreadable.reason, at)
}

/// The dead letter of an event that cannot be taken.
pub(super) fn event_letter(event: &Event, cause: Cause, reason: &str, at: Timestamp) -> DeadLetter {
    letter(DeadEvent::of(event), cause, reason, at)
}

fn letter(event: DeadEvent, cause: Cause, reason: &str, at: Timestamp) -> DeadLetter {
    let reason = reason.to_owned();
    DeadLetter { event, stage: STAGE.to_owned(), cause, reason, problems: Vec::new(), at }
}
