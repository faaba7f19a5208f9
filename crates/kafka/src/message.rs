//! A message of librdkafka as a record.

use std::sync::Arc;

use event_model::cloudevent;
use jiff::Timestamp;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};
use runtime::trace::TraceContext;

use crate::record::{NoEvent, Record};

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
