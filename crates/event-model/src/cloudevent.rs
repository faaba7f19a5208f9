//! CloudEvents 1.0, strictly: the JSON event format, its batches, the HTTP binding's binary mode, and the Kafka binding.
//!
//! The type is the SDK's [`Event`]; its own readers are not used, because they accept empty ids and sources, keep
//! percent-encoding, compare content types by case, and turn JSON data into Base64. Here data stays the bytes that
//! came: JSON data is a [`Data::Binary`] that holds JSON text, which [`json`] reads and the writers know again by its
//! content type.

mod attributes;
mod binary;
mod kafka;
mod structured;

use std::borrow::Cow;

use bytes::Bytes;
use cloudevents::event::{Data, EventBuilderV10, ExtensionValue};
use cloudevents::{AttributesReader as _, AttributesWriter as _, Event, EventBuilder as _};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use binary::{from_binary, from_binary_percent_encoded, to_binary};
pub use kafka::{KafkaRecord, from_kafka, to_kafka};
pub use structured::{batch, from_structured};

use crate::events::EXT_PARTITION_KEY;
use crate::ids;

/// The media type of one event in the JSON format.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of a batch of events in the JSON format.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// The most events of a batch.
pub const MAX_BATCH: usize = 20_000;

/// Why something is not a CloudEvent 1.0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventError {
    /// The JSON cannot be read, or is not an object (a batch: not an array).
    #[error("not a CloudEvent in JSON: {0}")]
    Json(String),
    /// A required attribute is absent or empty.
    #[error("the attribute `{0}` is missing or empty")]
    Missing(&'static str),
    /// `specversion` is not `1.0`.
    #[error("the specversion is not 1.0")]
    SpecVersion,
    /// A name is not of lower-case letters and digits alone.
    #[error("`{0}` is no attribute name: only lower-case letters and digits are allowed")]
    Name(String),
    /// An attribute is there twice.
    #[error("the attribute `{0}` is there twice")]
    Duplicate(String),
    /// There are more extension attributes than any event needs (64).
    #[error("there are too many attributes")]
    TooManyAttributes,
    /// A value does not have the attribute's type.
    #[error("the attribute `{name}` {reason}")]
    Value {
        /// The attribute.
        name: String,
        /// What is wrong, without the value.
        reason: &'static str,
    },
    /// The data does not fit the rest of the event.
    #[error("the data {0}")]
    Data(String),
}

impl EventError {
    fn value(name: &str, reason: &'static str) -> Self {
        Self::Value { name: name.to_owned(), reason }
    }
}

/// A new event without time and data. `source` and `id` must not be empty.
pub fn new(event_type: &str, source: &str, id: &str) -> Event {
    EventBuilderV10::new()
        .ty(event_type)
        .source(source)
        .id(id)
        .build()
        .expect("an event builder with type, source and id is complete")
}

/// The event of `event_type` that follows from `cause`: its id is derived, so that handling the cause twice names the
/// effect once; `partitionkey` is the cause's.
pub fn effect(cause: &Event, event_type: &str, source: &str) -> Event {
    let id = ids::of_effect(event_type, cause.source(), cause.id()).to_string();
    let mut event = new(event_type, source, &id);
    if let Some(key) = extension(cause, EXT_PARTITION_KEY) {
        event.set_extension(EXT_PARTITION_KEY, key.into_owned());
    }
    event
}

/// The same about `subject`: of one cause there may be several.
pub fn effect_on(cause: &Event, (event_type, subject): (&str, &str), source: &str) -> Event {
    let id = ids::derive(event_type, &[cause.source(), cause.id(), subject]).to_string();
    let mut event = effect(cause, event_type, source);
    event.set_id(id);
    event.set_subject(Some(subject));
    event
}

/// Gives `event` the JSON text of `data` as data.
///
/// # Errors
/// [`EventError::Data`] where `data` cannot be JSON (a map whose keys are no strings).
pub fn set_json(event: &mut Event, data: &impl Serialize) -> Result<(), EventError> {
    let text = serde_json::to_vec(data).map_err(|error| EventError::Data(format!("is no JSON: {error}")))?;
    event.set_data("application/json", text);
    Ok(())
}

/// The event's data read from JSON, whatever way it came.
///
/// # Errors
/// [`EventError::Data`] where there is none, or it does not have the shape of `T`.
pub fn json<T: DeserializeOwned>(event: &Event) -> Result<T, EventError> {
    let Some(data) = bytes(event) else { return Err(EventError::Data("is missing".to_owned())) };
    serde_json::from_slice(&data).map_err(|error| {
        EventError::Data(format!("does not fit its type (line {}, column {})", error.line(), error.column()))
    })
}

/// The event's data as the bytes of its content type; `None` where there is none.
pub fn bytes(event: &Event) -> Option<Cow<'_, [u8]>> {
    Some(match event.data()? {
        Data::Binary(bytes) => Cow::Borrowed(bytes.as_slice()),
        Data::String(text) => Cow::Borrowed(text.as_bytes()),
        Data::Json(value) => Cow::Owned(value.to_string().into_bytes()),
    })
}

/// Takes the data out of the event, without copying it; `None` where there is none. Its content type stays.
pub fn take_bytes(event: &mut Event) -> Option<Bytes> {
    let (content_type, schema, data) = event.take_data();
    let is_value = matches!(data, Some(Data::Json(_)));
    let bytes = data.map(|data| match data {
        Data::Binary(bytes) => Bytes::from(bytes),
        Data::String(text) => Bytes::from(text),
        Data::Json(value) => Bytes::from(value.to_string()),
    });
    event.set_datacontenttype(content_type.or_else(|| is_value.then(|| "application/json".to_owned())));
    event.set_dataschema(schema);
    bytes
}

/// The event's `time`.
pub fn time(event: &Event) -> Option<Timestamp> {
    let time = event.time()?;
    let nanos = i32::try_from(time.timestamp_subsec_nanos().min(999_999_999)).unwrap_or_default();
    Timestamp::new(time.timestamp(), nanos).ok()
}

/// Sets the event's `time`.
pub fn set_time(event: &mut Event, time: Timestamp) {
    use cloudevents::event::TryIntoTime as _;
    // Both types hold every RFC 3339 time of the years 0 to 9999; jiff's range goes no further.
    if let Ok(time) = time.to_string().into_time() {
        event.set_time(Some(time));
    }
}

/// The text of an extension, whatever its type.
pub fn extension<'a>(event: &'a Event, name: &str) -> Option<Cow<'a, str>> {
    Some(match event.extension(name)? {
        ExtensionValue::String(text) => Cow::Borrowed(text.as_str()),
        ExtensionValue::Boolean(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        ExtensionValue::Integer(number) => Cow::Owned(number.to_string()),
    })
}

/// The first attribute that Knative's brokers would change or refuse: only printable ASCII without space, `"` and `%`
/// travels unchanged (the Kafka Broker neither writes nor reads percent-encoding).
pub fn first_unsafe_attribute(event: &Event) -> Option<String> {
    event.iter().find(|(_, value)| !is_safe(&value.to_string())).map(|(name, _)| name.to_owned())
}

/// Whether a text travels unchanged as an attribute's value.
pub fn is_safe(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'%')
}

/// Whether a content type says JSON: `application/json`, `text/json` or any `+json`, in any case.
pub fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((_, subtype)) = media_type.split_once('/') else { return false };
    subtype == "json" || subtype.ends_with("+json")
}

#[cfg(test)]
mod tests;
