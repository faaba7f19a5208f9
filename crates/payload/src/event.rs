//! An accepted request as an event, and an event as the request that it carries.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use cloudevents::{AttributesReader as _, Event};
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::{APPLICATION_HTTP, EXT_PARTITION_KEY, EXT_PAYLOAD_FORMAT, EXT_PIPELINE_HASH};
use event_model::{CLOCK_SKEW, RecordedRequest, cloudevent, hex};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::inspected::Inspected;
use crate::origin::Origin;
use crate::refusal::Refusal;

/// Longer ids and keys are replaced by their hash: a record's head is bounded too.
const MAX_TEXT: usize = 200;
/// How long the text of a fresh id is (RFC 9562, section 4). The derived ones are longer.
const FRESH_ID: usize = 36;
/// How old such a time may be; brokers keep nothing for longer.
const OLDEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// How old a receive time of `ingest` may be: a dead letter is sent back when a person has mended what was wrong.
const OLDEST_RECEIVED: Duration = Duration::from_secs(2 * 365 * 24 * 3600);
/// The path under which `ingest` takes a source's requests, without the source.
pub(crate) const SOURCE_PREFIX: &str = "/sources/";

/// What is known of a request's arrival.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// When.
    pub at: Timestamp,
    /// The event's id where the platform does not name its messages: of time and chance, unlike any other request's.
    pub fresh_id: Uuid,
    /// The message's id as its signature has it, where the body names none.
    pub signed_message_id: Option<&'a str>,
    /// How the hash of the pipeline begins that accepts it.
    pub pipeline: &'a str,
    /// The trace that it belongs to: extensions of the event (CloudEvents' Distributed Tracing).
    pub trace: Vec<(&'static str, &'a str)>,
}

/// `dev.freshet.payload.received.v1`. The data is a copy of the request, the only one.
pub fn payload_received(inspected: &Inspected<'_, '_>, received: Received<'_>) -> Event {
    let Inspected { origin, request, inspection, .. } = inspected;
    let id = match inspection.message_id.as_deref().or(received.signed_message_id) {
        Some(message_id) => {
            let content =
                inspection.content.map_or_else(|| hex(&Sha256::digest(&request.body)[..8]), |own| hex(&own));
            format!("{}-{content}", travelling(message_id))
        }
        None => received.fresh_id.to_string(),
    };
    let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("{SOURCE_PREFIX}{}", origin.name), &id);
    cloudevent::set_time(&mut event, received.at);
    let key = inspection.device.as_deref().map_or(id, travelling);
    event.set_extension(EXT_PARTITION_KEY, key);
    event.set_extension(EXT_PAYLOAD_FORMAT, origin.decoder.name());
    event.set_extension(EXT_PIPELINE_HASH, received.pipeline);
    for (name, value) in received.trace {
        event.set_extension(name, value);
    }
    event.set_data(APPLICATION_HTTP, request.to_bytes());
    event
}

/// A text that a broker passes on unchanged: itself where it does, else its hexadecimal; a hash where that is long.
fn travelling(text: &str) -> String {
    if cloudevent::is_safe(text) && text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    if text.len() * 2 <= MAX_TEXT { hex(text.as_bytes()) } else { hex(&Sha256::digest(text)) }
}

/// An event as it was delivered, its data apart from its attributes: what is cut out of the data is no copy.
#[derive(Debug, Clone)]
pub struct Carried {
    event: Event,
    data: Option<Bytes>,
}

impl Carried {
    /// Takes the event's data out of it.
    pub fn new(mut event: Event) -> Self {
        let data = cloudevent::take_bytes(&mut event);
        Self { event, data }
    }

    /// The event with its data, of which this is a copy.
    pub fn whole(&self) -> Event {
        let mut event = self.event.clone();
        if let Some(data) = &self.data {
            event.set_data_unchecked(data.to_vec());
        }
        event
    }

    /// The event without its data.
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// Its data.
    pub const fn data(&self) -> Option<&Bytes> {
        self.data.as_ref()
    }

    /// Whether `ingest` made it; else others put it into the Broker.
    pub fn is_payload_received(&self) -> bool {
        self.event.ty() == PAYLOAD_RECEIVED
    }

    /// Whether its id is a fresh one of `ingest`, which no other event has.
    pub(crate) fn is_once_only(&self) -> bool {
        let is_fresh = |id: &str| {
            Uuid::try_parse(id).is_ok_and(|uuid| uuid.get_version_num() == 7 && id.len() == FRESH_ID)
        };
        self.is_payload_received() && is_fresh(self.event.id())
    }

    /// When it happened, where it says so.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        cloudevent::time(&self.event)
    }

    /// How the hash of the pipeline begins by which `ingest` accepted it, and when; where the event says so.
    pub fn accepted_by(&self) -> Option<(Cow<'_, str>, Timestamp)> {
        let hash = cloudevent::extension(&self.event, EXT_PIPELINE_HASH).filter(|hash| !hash.is_empty())?;
        Some((hash, self.time()?))
    }

    /// Its source, and when it was received.
    pub(crate) fn origin<'p>(
        &self,
        pipeline: &'p Pipeline,
        delivered_at: Timestamp,
    ) -> Result<(Origin<'p>, Timestamp), Refusal> {
        let time = self.time();
        if !self.is_payload_received() {
            return Ok((Origin::of_events(pipeline, self.event.ty())?, plausible(time, delivered_at)));
        }
        let name = self.event.source().strip_prefix(SOURCE_PREFIX).ok_or(Refusal::NoSource)?;
        // Who may write to the Broker may name any time.
        Ok((Origin::named(pipeline, name)?, believed_received(time, delivered_at)))
    }

    /// The request that it carries; an event of others is the request that would have delivered it in binary mode.
    ///
    /// # Errors
    /// [`Refusal::Request`]
    pub fn request(&self) -> Result<RecordedRequest, Refusal> {
        let data = self.data.clone().unwrap_or_default();
        if self.is_payload_received() {
            return Ok(RecordedRequest::from_bytes(&data)?);
        }
        let (headers, _) = cloudevent::to_binary(&self.event);
        let (method, path) = ("POST".to_owned(), "/".to_owned());
        Ok(RecordedRequest { method, path, query: String::new(), headers, body: data })
    }

    /// The request as `application/http` text, for who keeps it.
    pub fn request_text(&self, request: &RecordedRequest) -> Bytes {
        match &self.data {
            Some(data) if self.is_payload_received() => data.clone(),
            _ => request.to_bytes().into(),
        }
    }
}

/// The receive time that a producer names, where it can be believed at `now`.
pub fn plausible(named: Option<Timestamp>, now: Timestamp) -> Timestamp {
    believed(named, OLDEST, now)
}

/// The same for who hands payloads over: `ingest`, and a topic, keep what they took for long.
pub(crate) fn believed_received(named: Option<Timestamp>, now: Timestamp) -> Timestamp {
    believed(named, OLDEST_RECEIVED, now)
}

fn believed(named: Option<Timestamp>, oldest: Duration, now: Timestamp) -> Timestamp {
    named.filter(|at| *at >= now - oldest && *at <= now + CLOCK_SKEW).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use cloudevents::AttributesReader as _;
    use pipeline_config::Pipeline;

    use super::{Carried, Inspected, Origin, Received, RecordedRequest, Timestamp, Uuid};
    use super::{cloudevent, payload_received, travelling};

    fn event_of(body: &str, fresh_id: u128, signed_message_id: Option<&str>) -> cloudevents::Event {
        let pipeline = Pipeline::parse("sources: {greenhouse: {format: json}}", "freshet.yaml").unwrap();
        let origin = Origin::named(&pipeline, "greenhouse").unwrap();
        let request =
            RecordedRequest { method: "POST".into(), body: body.to_owned().into(), ..Default::default() };
        let inspected = Inspected::of(origin, &request).unwrap();
        let (at, fresh_id) = (Timestamp::UNIX_EPOCH, Uuid::from_u128(fresh_id));
        let (pipeline, trace) = (pipeline.short_hash(), Vec::new());
        payload_received(&inspected, Received { at, fresh_id, signed_message_id, pipeline, trace })
    }

    #[test]
    fn the_same_message_has_the_same_id_and_another_body_has_another() {
        let a = r#"{"device":"gh-7","t":1}"#;
        let event = event_of(a, 1, Some("m 1"));
        assert_eq!(event.id(), event_of(a, 2, Some("m 1")).id());
        assert_ne!(event.id(), event_of(r#"{"device":"gh-7","t":2}"#, 1, Some("m 1")).id());
        assert!(event.id().starts_with("6d2031-"), "{}", event.id());
        assert_eq!(cloudevent::extension(&event, "partitionkey").as_deref(), Some("gh-7"));
        assert_eq!(cloudevent::first_unsafe_attribute(&event), None);
    }

    #[test]
    fn a_request_without_an_id_has_the_fresh_one_and_is_keyed_by_it() {
        let event = event_of("[{\"t\":1},{\"t\":2}]", 7, None);
        assert_eq!(event.id(), Uuid::from_u128(7).to_string());
        assert_eq!(cloudevent::extension(&event, "partitionkey").as_deref(), Some(event.id()));
    }

    #[test]
    fn a_receive_time_far_from_now_is_not_believed() {
        let pipeline = Pipeline::parse("sources: {greenhouse: {format: json}}", "freshet.yaml").unwrap();
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let received = |time: &str| {
            let mut event = event_of(r#"{"t":1}"#, 1, None);
            cloudevent::set_time(&mut event, time.parse().unwrap());
            Carried::new(event).origin(&pipeline, now).unwrap().1.to_string()
        };
        for far in
            ["2999-01-01T00:00:00Z", "2026-06-01T00:05:01Z", "2024-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
        {
            assert_eq!(received(far), now.to_string(), "{far}");
        }
        for near in ["2026-06-01T00:04:59Z", "2026-05-31T00:00:00Z", "2025-01-01T00:00:00Z"] {
            assert_eq!(received(near), near);
        }
    }

    #[test]
    fn whatever_a_platform_calls_its_messages_travels() {
        for text in ["", "ä b", "100%", &"x".repeat(10_000), &"ä".repeat(10_000)] {
            let id = travelling(text);
            assert!(id.len() <= super::MAX_TEXT && (id.is_empty() || cloudevent::is_safe(&id)), "{id}");
        }
    }
}
