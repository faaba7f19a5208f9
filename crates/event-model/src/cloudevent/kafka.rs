//! The Kafka protocol binding (CloudEvents 1.0.2): attributes in `ce_*` headers, data in the record's value.

use cloudevents::AttributesReader as _;
use cloudevents::Event;
use cloudevents::event::{AttributeValue, Data};

use super::attributes::Attributes;
use super::binary::rfc3339;
use super::{EventError, STRUCTURED, bytes, extension, from_structured, time};
use crate::events::EXT_PARTITION_KEY;

const PREFIX: &str = "ce_";
const CONTENT_TYPE: &str = "content-type";

/// A record of an event in binary mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaRecord {
    /// The text of the extension `partitionkey`; `None` where the event has none.
    pub key: Option<String>,
    /// Names in lower case; values are UTF-8 as they are, for this binding encodes nothing.
    pub headers: Vec<(String, String)>,
    /// The data; `None` where there is none.
    pub value: Option<Vec<u8>>,
}

/// Writes an event as a record in binary mode (section 3.2). The key is that of the Partitioning extension
/// (section 3.1), which also stays a header.
pub fn to_kafka(event: &Event) -> KafkaRecord {
    let mut headers = Vec::with_capacity(12);
    for (name, value) in event.iter() {
        let value = match value {
            AttributeValue::String(text) if name == "datacontenttype" => {
                headers.push((CONTENT_TYPE.to_owned(), text.to_owned()));
                continue;
            }
            AttributeValue::Time(_) => time(event).map(rfc3339).unwrap_or_default(),
            AttributeValue::String(text) => text.to_owned(),
            other => other.to_string(),
        };
        headers.push((format!("{PREFIX}{name}"), value));
    }
    if event.datacontenttype().is_none() && matches!(event.data(), Some(Data::Json(_))) {
        headers.push((CONTENT_TYPE.to_owned(), "application/json".to_owned()));
    }
    KafkaRecord {
        key: extension(event, EXT_PARTITION_KEY).map(std::borrow::Cow::into_owned),
        headers,
        value: bytes(event).map(std::borrow::Cow::into_owned),
    }
}

/// Reads a record in binary or structured mode (section 3).
///
/// # Errors
/// [`EventError`] where it is not a CloudEvent 1.0.
pub fn from_kafka<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    value: Option<&[u8]>,
) -> Result<Event, EventError> {
    let is_structured = |text: &[u8]| {
        text.get(..STRUCTURED.len()).is_some_and(|start| start.eq_ignore_ascii_case(STRUCTURED.as_bytes()))
    };
    if headers.clone().any(|(name, text)| name.eq_ignore_ascii_case(CONTENT_TYPE) && is_structured(text)) {
        return from_structured(value.unwrap_or_default());
    }
    let mut attributes = Attributes::default();
    for (field, value) in headers {
        let attribute = match field.strip_prefix(PREFIX) {
            Some("datacontenttype") => return Err(EventError::Duplicate("datacontenttype".to_owned())),
            Some(name) => name,
            None if field.eq_ignore_ascii_case(CONTENT_TYPE) => "datacontenttype",
            None => continue,
        };
        let text = std::str::from_utf8(value).map_err(|_| EventError::value(attribute, "is not UTF-8"))?;
        attributes.text(attribute, text.to_owned())?;
    }
    attributes.build(value.filter(|value| !value.is_empty()).map(|value| Data::Binary(value.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::{EventError, from_kafka, to_kafka};
    use crate::cloudevent;

    fn read(headers: &[(&str, &str)], value: Option<&[u8]>) -> Result<cloudevents::Event, EventError> {
        from_kafka(headers.iter().map(|(name, text)| (*name, text.as_bytes())), value)
    }

    #[test]
    fn an_event_comes_back_as_it_went() {
        let mut event = cloudevent::new("dev.freshet.payload.received.v1", "/sources/greenhouse", "ä 1%");
        cloudevent::set_time(&mut event, "2026-03-01T10:00:00.25Z".parse().unwrap());
        event.set_extension("partitionkey", "gh-1");
        event.set_data("application/http", b"POST / HTTP/1.1\r\n\r\n".to_vec());
        let record = to_kafka(&event);
        assert_eq!(record.key.as_deref(), Some("gh-1"));
        let has = |name: &str, value: &str| record.headers.iter().any(|(n, v)| n == name && v == value);
        assert!(has("ce_id", "ä 1%") && has("ce_partitionkey", "gh-1"), "{:?}", record.headers);
        assert!(has("content-type", "application/http") && has("ce_specversion", "1.0"));
        let headers = record.headers.iter().map(|(name, text)| (name.as_str(), text.as_bytes()));
        assert_eq!(from_kafka(headers, record.value.as_deref()).unwrap(), event);
    }

    #[test]
    fn a_structured_record_is_read_too() {
        let json = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}"#;
        let event = read(&[("content-type", "application/cloudevents+json; charset=UTF-8")], Some(json));
        assert_eq!(cloudevents::AttributesReader::id(&event.unwrap()), "1");
    }

    #[test]
    fn what_is_no_event_is_said_to_be_none() {
        assert_eq!(read(&[], Some(b"21.5")), Err(EventError::Missing("specversion")));
        let twice = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_id", "2")];
        assert_eq!(read(&twice, None), Err(EventError::Duplicate("id".to_owned())));
        let not_utf8 = from_kafka([("ce_id", &b"\xff"[..])].into_iter(), None);
        assert!(matches!(not_utf8, Err(EventError::Value { .. })), "{not_utf8:?}");
    }
}
