//! From an event to the request that a decoder reads.

use cloudevents::{AttributesReader as _, Event};
use decoders::Decoder;
use event_model::{RecordedRequest, cloudevent, event_types, reading};
use jiff::Timestamp;
use pipeline_config::{Pipeline, Source};
use stage::Delivery;
use thiserror::Error;

/// The prefix of the `source` of every `payload.received`.
const SOURCE_PREFIX: &str = "/sources/";

/// One payload of one source, ready to be decoded.
pub struct Payload<'a> {
    /// The source's name.
    pub name: &'a str,
    /// Its entry in the pipeline file.
    pub source: &'a Source,
    /// Its format.
    pub decoder: &'static dyn Decoder,
    /// The request.
    pub request: RecordedRequest,
    /// When it was received, in microseconds: of a foreign event the time of its delivery.
    pub received_at: Timestamp,
}

/// Why an event holds no payload.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// It is of no type that this pipeline takes.
    #[error("no source takes events of this type")]
    NotOurs,
    /// Its source is not in the pipeline file (any more).
    #[error("the pipeline file has no source `{0}`")]
    UnknownSource(String),
    /// Its data is no recorded request.
    #[error("the data is no recorded request: {0}")]
    Request(#[from] event_model::request::RequestError),
    /// It has no data.
    #[error("the event has no data")]
    NoData,
}

/// The payload in `event`.
///
/// # Errors
/// [`PayloadError`].
pub fn open<'a>(pipeline: &'a Pipeline, event: &Event, delivery: &Delivery) -> Result<Payload<'a>, PayloadError> {
    if event.ty() == event_types::PAYLOAD_RECEIVED {
        received(pipeline, event, delivery)
    } else {
        foreign(pipeline, event, delivery)
    }
}

fn received<'a>(pipeline: &'a Pipeline, event: &Event, delivery: &Delivery) -> Result<Payload<'a>, PayloadError> {
    let wanted = event.source().strip_prefix(SOURCE_PREFIX).unwrap_or_default();
    let unknown = || PayloadError::UnknownSource(wanted.to_owned());
    let (name, source) = pipeline.sources.get_key_value(wanted).ok_or_else(unknown)?;
    let data = cloudevent::bytes(event).ok_or(PayloadError::NoData)?;
    Ok(Payload {
        name,
        source,
        decoder: decoders::by_name(&source.format).ok_or_else(unknown)?,
        request: RecordedRequest::parse(&data)?,
        received_at: reading::truncate_to_micros(cloudevent::time(event).unwrap_or(delivery.received_at)),
    })
}

/// An event that others put into the Broker: its data is the body, its attributes are header fields as in binary mode.
fn foreign<'a>(pipeline: &'a Pipeline, event: &Event, delivery: &Delivery) -> Result<Payload<'a>, PayloadError> {
    let (name, source) = pipeline
        .sources
        .iter()
        .find(|(_, source)| source.events.as_ref().is_some_and(|events| events.event_type == event.ty()))
        .ok_or(PayloadError::NotOurs)?;
    let (headers, body) = cloudevent::to_binary(event);
    Ok(Payload {
        name,
        source,
        decoder: decoders::by_name(&source.format).ok_or_else(|| PayloadError::UnknownSource(name.clone()))?,
        request: RecordedRequest {
            method: "POST".to_owned(),
            path: format!("/hooks/{name}"),
            query: String::new(),
            headers: headers.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect(),
            body,
        },
        received_at: reading::truncate_to_micros(delivery.received_at),
    })
}
