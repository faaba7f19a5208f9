//! Decode, the envelope: which source an event belongs to, and the request that it carries.

use std::time::Duration;

use cloudevents::{AttributesReader as _, Event};
use decoders::Decoder;
use event_model::RecordedRequest;
use event_model::cloudevent;
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::request::RequestError;
use jiff::Timestamp;
use pipeline_config::{Pipeline, Source};
use thiserror::Error;

/// How far ahead of our clock a time that somebody else says may be and still count as a receive time.
const CLOCK_SKEW: Duration = Duration::from_secs(300);
/// How old such a time may be; brokers keep nothing for longer.
const OLDEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// The path under which `ingest` takes a source's requests, without the source.
const SOURCE_PREFIX: &str = "/sources/";

/// An event with its source and request.
pub struct Origin<'a> {
    /// The source's name.
    pub name: &'a str,
    /// What the pipeline file says of it.
    pub source: &'a Source,
    /// Its format.
    pub decoder: &'static dyn Decoder,
    /// The request, without its credentials.
    pub request: RecordedRequest,
    /// When `ingest` received it, or what comes nearest for an event of somebody else.
    pub received_at: Timestamp,
}

/// Why an event leads nowhere.
#[derive(Debug, Error)]
pub enum OriginError {
    /// Its type is none that concerns this stage.
    #[error("no source takes events of this type")]
    NotForUs,
    /// Its `source` is not one of `ingest`'s.
    #[error("the event's source is not /sources/<name>")]
    NoSource,
    /// The pipeline file has no source of its name.
    #[error("the pipeline file has no source `{0}`")]
    UnknownSource(String),
    /// Its data is no request.
    #[error("the event's data is no recorded request")]
    Request(#[from] RequestError),
}

impl<'a> Origin<'a> {
    /// Reads the envelope of `event`, which was delivered at `delivered_at`.
    ///
    /// # Errors
    /// [`OriginError`] where the event leads nowhere.
    pub fn of(event: &Event, pipeline: &'a Pipeline, delivered_at: Timestamp) -> Result<Self, OriginError> {
        if event.ty() == PAYLOAD_RECEIVED {
            return Self::of_payload(event, pipeline, delivered_at);
        }
        let names_type =
            |source: &Source| source.events.as_ref().is_some_and(|events| events.event_type == event.ty());
        let (name, source) =
            pipeline.sources.iter().find(|(_, source)| names_type(source)).ok_or(OriginError::NotForUs)?;
        let received_at = plausible(cloudevent::time(event), delivered_at);
        Ok(Self { name, source, decoder: decoder(name, source)?, request: as_request(event), received_at })
    }

    fn of_payload(
        event: &Event,
        pipeline: &'a Pipeline,
        delivered_at: Timestamp,
    ) -> Result<Self, OriginError> {
        let name = event.source().strip_prefix(SOURCE_PREFIX).ok_or(OriginError::NoSource)?;
        let (name, source) = pipeline
            .sources
            .get_key_value(name)
            .ok_or_else(|| OriginError::UnknownSource(name.to_owned()))?;
        let data = cloudevent::bytes(event).unwrap_or_default();
        Ok(Self {
            name,
            source,
            decoder: decoder(name, source)?,
            request: RecordedRequest::parse(&data)?,
            received_at: cloudevent::time(event).unwrap_or(delivered_at),
        })
    }
}

/// The receive time that somebody else says, where it can be believed at `now`.
pub(crate) fn plausible(said: Option<Timestamp>, now: Timestamp) -> Timestamp {
    said.filter(|at| *at >= now - OLDEST && *at <= now + CLOCK_SKEW).unwrap_or(now)
}

/// The pipeline file names known formats only; what another release put there is as unknown as its source.
fn decoder(name: &str, source: &Source) -> Result<&'static dyn Decoder, OriginError> {
    decoders::by_name(&source.format).ok_or_else(|| OriginError::UnknownSource(name.to_owned()))
}

/// An event that others put into the Broker, as the request that would have delivered it in binary mode.
fn as_request(event: &Event) -> RecordedRequest {
    let (headers, body) = cloudevent::to_binary(event);
    RecordedRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: body.into(),
    }
}
