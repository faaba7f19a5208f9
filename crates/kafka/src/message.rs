//! A message of librdkafka as a record.

use std::sync::Arc;

use bytes::Bytes;
use event_model::cloudevent;
use jiff::Timestamp;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers as _};
use runtime::trace::TraceContext;

use crate::record::{Content, NoEvent, PlainRecord, Record, RecordForm};

/// Larger values are not looked at: `ingest` takes bodies of less.
const MAX_PLAIN: usize = 1024 * 1024;

impl Record {
    /// Takes what is needed of `message`.
    pub(crate) fn of(message: &BorrowedMessage<'_>, topic: &Arc<str>, form: RecordForm) -> Self {
        let headers: Vec<(&str, &[u8])> = message
            .headers()
            .map(|headers| {
                headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect()
            })
            .unwrap_or_default();
        let value = message.payload();
        let content = match form {
            RecordForm::Events => event_of(&headers, value),
            RecordForm::Plain { with_key } => Content::Plain(PlainRecord {
                key: message.key().filter(|_| with_key).map(Bytes::copy_from_slice),
                headers: owned(&headers),
                value: value.filter(|value| value.len() <= MAX_PLAIN).map(Bytes::copy_from_slice),
            }),
        };
        let published_at = message.timestamp().to_millis();
        Self {
            topic: Arc::clone(topic),
            partition: message.partition(),
            offset: message.offset(),
            published_at: published_at.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            trace: trace_of(&headers, &content),
            bytes: value.map_or(0, <[u8]>::len),
            content,
        }
    }
}

fn event_of(headers: &[(&str, &[u8])], value: Option<&[u8]>) -> Content {
    match cloudevent::from_kafka(headers.iter().copied(), value) {
        Ok(event) => Content::Event(Box::new(event)),
        Err(error) => Content::NoEvent(Box::new(NoEvent {
            reason: format!("the record is no CloudEvent: {error}"),
            headers: owned(headers),
            value: value.map(<[u8]>::to_vec),
        })),
    }
}

fn owned(headers: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
}

fn trace_of(headers: &[(&str, &[u8])], content: &Content) -> Option<TraceContext> {
    let header = |name: &str| {
        let (_, value) = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    };
    let extension = |name: &str| match content {
        Content::Event(event) => cloudevent::extension(event, name).map(std::borrow::Cow::into_owned),
        Content::Plain(_) | Content::NoEvent(_) => None,
    };
    TraceContext::read(header).or_else(|| TraceContext::read(extension))
}
