//! A payload that came without an event: a record of a topic of others.

use std::sync::Arc;

use bytes::Bytes;
use decoders::device::MAX_RAW_BYTES;
use decoders::{Decoded, Inspection, Problem};
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::events::{APPLICATION_HTTP, EXT_PARTITION_KEY, EXT_PAYLOAD_FORMAT, EXT_PIPELINE_HASH};
use event_model::{RecordedRequest, cloudevent, form};
use jiff::{SignedDuration, Timestamp};
use pipeline_config::topic::RecordDevice;
use uuid::Uuid;

use crate::acceptance::Acceptance;
use crate::accepted::Accepted;
use crate::event::{Carried, SOURCE_PREFIX, believed_received};
use crate::inspected::{Content, Inspected};
use crate::origin::Origin;
use crate::record_device::DEVICE_HEADER;
use crate::refusal::Refusal;

/// The first byte of a value that a serialiser of a schema registry has written; the schema's id follows.
const MAGIC: u8 = 0;
const CONTENT_TYPE: &str = "content-type";

/// A record of a topic of others, as far as a payload needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainPayload {
    /// The source whose topic it is.
    pub source: Arc<str>,
    /// The record's `content-type`, where it has one.
    pub content_type: Option<String>,
    /// What it calls the device, where its source asks for that and it is not blank.
    pub device: Option<String>,
    /// What it holds.
    pub value: PlainValue,
}

/// What a record has beside its value: its key, where that is asked for, and its headers.
pub type RecordHead<'k> = (Option<&'k [u8]>, Vec<(String, Vec<u8>)>);

/// The value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlainValue {
    /// These bytes.
    Bytes(Bytes),
    /// None: what its key stands for was deleted.
    Tombstone,
    /// So many bytes, which are more than are read.
    TooLarge(usize),
}

impl PlainPayload {
    /// That of a record of `source` with this key and these headers, of which `device` may be one, whose value is so many bytes long;
    /// none where they were not read.
    pub fn of_record(
        (source, device): (Arc<str>, Option<&RecordDevice>),
        (key, headers): RecordHead<'_>,
        (value, bytes): (Option<Bytes>, usize),
    ) -> Self {
        let device = device.and_then(|device| match device {
            RecordDevice::Key => key,
            RecordDevice::Header(wanted) => {
                let header = headers.iter().find(|(name, _)| name == wanted);
                header.map(|(_, value)| value.as_slice())
            }
        });
        let device = device.map(text).filter(|device| !device.trim().is_empty());
        let mut headers = headers.into_iter();
        let content_type = headers.find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
        let content_type = content_type.and_then(|(_, value)| String::from_utf8(value).ok());
        let value = match value {
            Some(value) => PlainValue::Bytes(value),
            None if bytes > 0 => PlainValue::TooLarge(bytes),
            None => PlainValue::Tombstone,
        };
        Self { source, content_type, device, value }
    }

    /// When a record was received: when it was published, where that can be believed at `now`. Its offset modulo 1000 are its
    /// microseconds, so that two of one millisecond have two times.
    pub fn received_at(published_at: Option<Timestamp>, offset: i64, now: Timestamp) -> Timestamp {
        let at = believed_received(published_at, now);
        at.checked_add(SignedDuration::from_micros(offset.rem_euclid(1000))).unwrap_or(at)
    }

    /// The value's bytes, where they were read.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.value {
            PlainValue::Bytes(value) => Some(value),
            PlainValue::Tombstone | PlainValue::TooLarge(_) => None,
        }
    }

    /// What it comes to. What its format cannot read is accepted as one problem.
    ///
    /// # Errors
    /// [`Refusal::Panicked`].
    pub fn accept<'p>(&self, origin: Origin<'p>, received_at: Timestamp) -> Result<Acceptance<'p>, Refusal> {
        let request = self.request(origin)?;
        let nothing =
            |decoded: Decoded| Content { origin, inspection: Inspection::default(), received_at, decoded };
        let content = match self.unread() {
            Some(decoded) => nothing(decoded),
            None => match Inspected::of(origin, &request)
                .and_then(|inspected| inspected.finish(received_at, None))
            {
                Err(Refusal::Form(error)) => nothing(Problem::new("", error.to_string()).into()),
                content => content?,
            },
        };
        Ok(Accepted::accept(request, content))
    }

    /// What it comes to where its format has nothing to read.
    fn unread(&self) -> Option<Decoded> {
        let problem = |reason: String| Decoded::from(Problem::new("", reason));
        match &self.value {
            PlainValue::Tombstone => Some(Decoded::default()),
            PlainValue::TooLarge(bytes) => {
                Some(problem(format!("the record's value of {bytes} bytes is larger than a payload may be")))
            }
            PlainValue::Bytes(value) => match value.first_chunk::<5>() {
                None if value.is_empty() => Some(problem("the record's value is empty".to_owned())),
                Some([MAGIC, schema @ ..]) => {
                    let schema = u32::from_be_bytes(*schema);
                    Some(problem(format!(
                        "the record's value is written by a schema registry's serialiser (schema {schema}): only text \
                         without its head is read"
                    )))
                }
                _ => None,
            },
        }
    }

    /// The request that would have brought it.
    fn request(&self, origin: Origin<'_>) -> Result<RecordedRequest, Refusal> {
        let body = match &self.value {
            PlainValue::Bytes(value) => value.clone(),
            PlainValue::Tombstone | PlainValue::TooLarge(_) => Bytes::new(),
        };
        let content_type = self.content_type.iter().map(|value| (CONTENT_TYPE.to_owned(), value.clone()));
        let device = self.device.iter().map(|device| (DEVICE_HEADER.to_owned(), form::header_value(device)));
        let mut request = RecordedRequest {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers: content_type.chain(device).collect(),
            body,
        };
        origin.guarded(|| origin.decoder.redact(&mut request))?;
        Ok(request)
    }

    /// The event in which `ingest` would have handed it over, by which it can be sent back. `id` is the record's own;
    /// `pipeline` is how the hash of the pipeline begins that reads it.
    pub fn event(&self, accepted: &Accepted<'_>, (id, at, pipeline): (Uuid, Timestamp, &str)) -> Carried {
        let id = id.to_string();
        let mut event = cloudevent::new(PAYLOAD_RECEIVED, &format!("{SOURCE_PREFIX}{}", self.source), &id);
        cloudevent::set_time(&mut event, at);
        event.set_extension(EXT_PARTITION_KEY, id);
        event.set_extension(EXT_PIPELINE_HASH, pipeline);
        event.set_extension(EXT_PAYLOAD_FORMAT, accepted.origin.decoder.name());
        event.set_data(APPLICATION_HTTP, accepted.request.to_bytes());
        Carried::new(event)
    }
}

/// As much of a key or a header as tells whether it names a device.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_RAW_BYTES + 1)]).into_owned()
}

#[cfg(test)]
mod tests {
    use pipeline_config::Pipeline;

    use super::{Origin, PlainPayload, PlainValue, SignedDuration, Timestamp, Uuid};
    use crate::Accepted;
    use event_model::ReceiptOutcome;

    const PIPELINE: &str = "sources: {floor: {format: json}}";

    fn payload(value: PlainValue) -> PlainPayload {
        PlainPayload { source: "floor".into(), content_type: None, device: None, value }
    }

    fn bytes(value: &'static [u8]) -> PlainValue {
        PlainValue::Bytes(value.into())
    }

    #[test]
    fn two_records_of_one_millisecond_have_two_times_and_what_is_far_from_now_is_not_believed() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let at = |published: &str, offset| {
            PlainPayload::received_at(Some(published.parse().unwrap()), offset, now).to_string()
        };
        assert_eq!(at("2026-05-01T00:00:00.5Z", 41_007), "2026-05-01T00:00:00.500007Z");
        assert_eq!(at("2024-07-01T00:00:00Z", 1_999), "2024-07-01T00:00:00.000999Z", "topics keep for long");
        assert_eq!(at("2999-01-01T00:00:00Z", 1_000), now.to_string());
    }

    #[test]
    fn a_record_without_a_time_of_its_own_has_kafkas() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let origin = Origin::named(&pipeline, "floor").unwrap();
        let at = PlainPayload::received_at(Some(Timestamp::UNIX_EPOCH), 5, Timestamp::UNIX_EPOCH);
        let accepted = payload(bytes(br#"{"device":"a","temperature":1}"#))
            .accept(origin, at)
            .unwrap()
            .without_codec()
            .unwrap();
        assert_eq!(accepted.decoded.samples[0].observed_at.to_string(), "1970-01-01T00:00:00.000005Z");
    }

    #[test]
    fn what_holds_no_payload_is_a_problem_and_a_deletion_is_none() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let origin = Origin::named(&pipeline, "floor").unwrap();
        for (value, outcome, reason) in [
            (PlainValue::Tombstone, ReceiptOutcome::NoData, ""),
            (bytes(b""), ReceiptOutcome::Rejected, "is empty"),
            (bytes(b"\0\0\0\x01\x02{}"), ReceiptOutcome::Rejected, "(schema 258)"),
            (PlainValue::TooLarge(9_000_000), ReceiptOutcome::Rejected, "of 9000000 bytes"),
            (bytes(b"\0"), ReceiptOutcome::Rejected, "JSON"),
            (bytes(b"21.5 degrees"), ReceiptOutcome::Rejected, "JSON"),
        ] {
            let accepted = payload(value.clone())
                .accept(origin, Timestamp::UNIX_EPOCH)
                .unwrap()
                .without_codec()
                .unwrap();
            assert_eq!(accepted.outcome, outcome, "{value:?}");
            assert!(accepted.reason().contains(reason), "{value:?}: {}", accepted.reason());
        }
    }

    /// The devices and the problems of a record, which are the same once it has gone through its event.
    fn devices(device: &str, (key, headers): (&[u8], &[(&str, &[u8])]), body: &'static [u8]) -> Vec<String> {
        let kafka = format!("kafka: {{servers: 'k:9092', topic: t, device: {device}}}");
        let pipeline = format!("sources: {{floor: {{format: json, {kafka}}}}}");
        let pipeline = Pipeline::parse(&pipeline, "freshet.yaml").unwrap();
        let origin = Origin::named(&pipeline, "floor").unwrap();
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let asked = origin.source.record_device();
        let value = (Some(body.into()), body.len());
        let payload = PlainPayload::of_record(("floor".into(), asked), (Some(key), headers), value);
        let accepted = payload.accept(origin, now).unwrap().without_codec().unwrap();
        let event = payload.event(&accepted, (Uuid::from_u128(7), now, pipeline.short_hash()));
        let tomorrow = now + SignedDuration::from_hours(24);
        let again = Accepted::of_event(&event, &pipeline, tomorrow).unwrap().without_codec().unwrap();
        assert_eq!((&again.decoded, again.received_at), (&accepted.decoded, now));
        let problems = accepted.decoded.problems.iter().map(|problem| problem.reason.clone());
        let samples = &accepted.decoded.samples;
        samples.iter().map(|sample| sample.device.to_string()).chain(problems).collect()
    }

    #[test]
    fn its_event_is_the_payload_again() {
        assert_eq!(devices("key", (b"", &[]), br#"{"device":"a","temperature":1}"#), ["a"]);
    }

    #[test]
    fn a_record_names_the_device_by_its_key_or_a_header_where_its_payload_names_none() {
        let none = br#"{"temperature":1}"#;
        let headers: &[(&str, &[u8])] = &[("line", b"Pru\xcc\x88fstand 7%"), ("line", b"other")];
        let key: (&[u8], _) = (b" m-7", headers);
        assert_eq!(devices("key", key, none), ["m-7"]);
        assert_eq!(devices("{header: line}", key, none), ["Pr\u{fc}fstand 7%"]);
        assert_eq!(devices("{header: Line}", key, none), ["floor"], "a header's name is as it is written");
        assert_eq!(devices("key", (b" ", headers), none), ["floor"]);
        let two = br#"[{"temperature":1},{"device":"own","temperature":2}]"#;
        assert_eq!(devices("key", key, two), ["m-7", "own"]);
    }

    #[test]
    fn a_key_that_names_no_device_is_a_problem_of_what_needs_it() {
        let two = br#"[{"temperature":1},{"device":"own","temperature":2}]"#;
        for (key, reason) in [
            (&b"m\r\nx: y"[..], "holds a control character"),
            (b"\0\0\0\x07", "holds a control character"),
            (b"m\xff", "U+FFFD"),
            (&[b'x'; 3000], "longer than 512 bytes"),
        ] {
            let found = devices("key", (key, &[]), two);
            assert_eq!((found.len(), found[0].as_str()), (2, "own"), "{found:?}");
            assert!(found[1].starts_with("the record's key or header names no device: "), "{found:?}");
            assert!(found[1].contains(reason), "{found:?}");
        }
    }
}
