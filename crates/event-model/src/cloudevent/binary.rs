//! The HTTP binding's binary mode: attributes in `ce-*` header fields, data in the body.

use std::borrow::Cow;

use cloudevents::AttributesReader as _;
use cloudevents::Event;
use cloudevents::event::{AttributeValue, Data};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::attributes::Attributes;
use super::{EventError, bytes, time};

const PREFIX: &str = "ce-";

/// Reads an event in binary mode as Knative's brokers send it: values are taken literally.
///
/// `headers` are all fields of the message, names in lower case. An empty body is an event without data. The SDK's event holds a
/// `Vec`: `bytes::Bytes` that nothing else holds become one without being copied.
///
/// # Errors
/// [`EventError`] where it is not a CloudEvent 1.0.
pub fn from_binary<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: impl Into<Vec<u8>>,
) -> Result<Event, EventError> {
    read(headers, body, |_, value| Ok(value.to_owned()))
}

/// Reads an event in binary mode after the HTTP binding (section 3.1.3.2): values are unquoted and percent-decoded.
///
/// # Errors
/// [`EventError`] where it is not a CloudEvent 1.0, or a decoded value is not UTF-8.
pub fn from_binary_percent_encoded<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: impl Into<Vec<u8>>,
) -> Result<Event, EventError> {
    read(headers, body, |name, value| {
        percent_decoded(value).ok_or_else(|| EventError::value(name, "is not percent-encoded UTF-8"))
    })
}

fn read<'a>(
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: impl Into<Vec<u8>>,
    decode: impl Fn(&str, &str) -> Result<String, EventError>,
) -> Result<Event, EventError> {
    let mut attributes = Attributes::default();
    for (field, value) in headers {
        match field.strip_prefix(PREFIX) {
            // The content type has a field of its own, which is never percent-encoded.
            Some("datacontenttype") => return Err(EventError::Duplicate("datacontenttype".to_owned())),
            Some(name) => attributes.text(name, decode(name, value)?)?,
            None if field == "content-type" => attributes.text("datacontenttype", value.to_owned())?,
            None => {}
        }
    }
    let body = body.into();
    attributes.build((!body.is_empty()).then_some(Data::Binary(body)))
}

/// Writes an event in binary mode: header fields and body.
///
/// A value that can stand in a header field stands there as it is, because Knative's brokers do not decode; anything
/// else is percent-encoded.
pub fn to_binary(event: &Event) -> (Vec<(String, String)>, Vec<u8>) {
    let mut headers = Vec::with_capacity(12);
    for (name, value) in event.iter() {
        let value = match value {
            AttributeValue::String(text) if name == "datacontenttype" => {
                headers.push(("content-type".to_owned(), text.to_owned()));
                continue;
            }
            AttributeValue::Time(_) => time(event).map(rfc3339).unwrap_or_default(),
            AttributeValue::String(text) => header_value(text).into_owned(),
            other => header_value(&other.to_string()).into_owned(),
        };
        headers.push((format!("{PREFIX}{name}"), value));
    }
    let body = bytes(event).map(Cow::into_owned).unwrap_or_default();
    if event.datacontenttype().is_none() && matches!(event.data(), Some(Data::Json(_))) {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    (headers, body)
}

/// RFC 3339 in UTC with as many digits as are needed.
pub(super) fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

fn header_value(text: &str) -> Cow<'_, str> {
    let fits = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let trimmed = text.trim_matches(' ').len() == text.len();
    if trimmed && text.bytes().all(fits) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(encoded)
}

/// Quotes are taken off first (RFC 9110, section 5.6.4), as older producers wrote them; then one round of percent-decoding. A `%` that
/// begins no escape stands for itself: the binding has producers encode it, and the SDK for Go does not. `None` where the result is
/// not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let text = quoted.map_or(Cow::Borrowed(text), unescaped);
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}

/// The content of a quoted string without the backslashes of its quoted pairs.
fn unescaped(quoted: &str) -> Cow<'_, str> {
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    Cow::Owned(text)
}
