//! One record as it was read: an event, or why it is none.

use std::sync::Arc;

use event_model::cloudevent;
use jiff::Timestamp;
use payload::Carried;
use persist::{TopicRecord, Unreadable};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers as _};
use runtime::trace;
use store::RecordPlace;
use store::dead_letters::DeadEvent;

/// Takes what is needed of `message`.
pub(super) fn topic_record(message: &BorrowedMessage<'_>, topic: &Arc<str>) -> TopicRecord {
    let headers: Vec<(&str, &[u8])> = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect())
        .unwrap_or_default();
    let (partition, offset) = (message.partition(), message.offset());
    let place = RecordPlace { topic: Arc::clone(topic), partition, offset };
    let value = message.payload();
    let event = cloudevent::from_kafka(headers.iter().copied(), value).map(Carried::new).map_err(|error| {
        let kept = DeadEvent::of_record(&place, &headers, value);
        Box::new(Unreadable { reason: format!("the record is no CloudEvent: {error}"), kept })
    });
    let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(trace::TRACEPARENT));
    let header = header.and_then(|(_, value)| std::str::from_utf8(value).ok()).map(str::to_owned);
    let extension = || {
        let carried = event.as_ref().ok()?;
        cloudevent::extension(carried.event(), trace::TRACEPARENT).map(std::borrow::Cow::into_owned)
    };
    let published_at = message.timestamp().to_millis();
    TopicRecord {
        place,
        published_at: published_at.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        traceparent: header.or_else(extension),
        bytes: value.map_or(0, <[u8]>::len),
        event,
    }
}
