//! The JSON event format (CloudEvents 1.0, `json-format.md`): one event, or a batch of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloudevents::Event;
use cloudevents::event::{Data, ExtensionValue};
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::attributes::Attributes;
use super::{EventError, MAX_BATCH, is_json};

/// The members of a JSON object in their order, values unread.
struct Members<'a>(Vec<(String, &'a RawValue)>);

/// Reads one event in structured mode.
///
/// # Errors
/// [`EventError`] where it is not a CloudEvent 1.0.
pub fn from_structured(text: &[u8]) -> Result<Event, EventError> {
    if text.trim_ascii_start().first() == Some(&b'[') {
        return Err(EventError::Json(
            "is an array; the content type of a batch is application/cloudevents-batch+json".to_owned(),
        ));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let members = deserializer
        .deserialize_map(MembersVisitor)
        .and_then(|members| deserializer.end().map(|()| members))
        .map_err(|error| json_error(&error))?;
    event_of(members)
}

/// Reads a batch: each event by itself, so that one bad event does not take its neighbours down.
///
/// # Errors
/// [`EventError::Json`] where it is no JSON array.
pub fn batch(text: &[u8]) -> Result<Vec<Result<Event, EventError>>, EventError> {
    let items: Vec<&RawValue> = serde_json::from_slice(text).map_err(|error| json_error(&error))?;
    if items.len() > MAX_BATCH {
        return Err(EventError::Json(format!("has more than {MAX_BATCH} events")));
    }
    Ok(items.into_iter().map(|item| from_structured(item.get().as_bytes())).collect())
}

fn event_of(members: Members<'_>) -> Result<Event, EventError> {
    let mut attributes = Attributes::default();
    let (mut data, mut base64) = (None, None);
    for (name, value) in members.0 {
        match name.as_str() {
            "data" | "data_base64" => {
                let slot = if name == "data" { &mut data } else { &mut base64 };
                if slot.replace(value).is_some() {
                    return Err(EventError::Duplicate(name));
                }
            }
            _ => attribute(&mut attributes, &name, value)?,
        }
    }
    let data = match (data, base64) {
        (Some(_), Some(_)) => {
            return Err(EventError::Data("is there twice, as JSON and as Base64".to_owned()));
        }
        (Some(value), None) => json_data(value, &mut attributes)?,
        (None, Some(value)) => base64_data(value)?,
        (None, None) => None,
    };
    attributes.build(data)
}

/// An attribute that is `null` counts as absent (section 2.2).
fn attribute(attributes: &mut Attributes, name: &str, value: &RawValue) -> Result<(), EventError> {
    const CORE: [&str; 8] =
        ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype"];
    let value = match serde_json::from_str(value.get()).map_err(|error| json_error(&error))? {
        Value::String(text) => return attributes.text(name, text),
        Value::Null => return Ok(()),
        _ if CORE.contains(&name) => return Err(EventError::value(name, "is no string")),
        Value::Bool(flag) => ExtensionValue::Boolean(flag),
        Value::Number(number) => {
            let integer = number.as_i64().filter(|integer| i32::try_from(*integer).is_ok());
            let integer = integer.ok_or_else(|| EventError::value(name, "is no integer of 32 bits"))?;
            ExtensionValue::Integer(integer)
        }
        Value::Array(_) | Value::Object(_) => {
            return Err(EventError::value(name, "is an array or an object"));
        }
    };
    attributes.extension(name, value)
}

/// `data`: JSON where the content type says so or is absent (section 3.1), else a string that holds the text.
fn json_data(value: &RawValue, attributes: &mut Attributes) -> Result<Option<Data>, EventError> {
    let text = value.get();
    match &attributes.datacontenttype {
        None => attributes.datacontenttype = Some("application/json".to_owned()),
        Some(content_type) if is_json(content_type) => {}
        Some(_) if text.starts_with('"') => {
            let text = serde_json::from_str(text).map_err(|error| json_error(&error))?;
            return Ok(Some(Data::String(text)));
        }
        Some(_) if text == "null" => return Ok(None),
        // Section 3.1: a JSON value stands for itself, whatever the content type calls it.
        Some(_) => {}
    }
    Ok(Some(Data::Binary(text.as_bytes().to_vec())))
}

fn base64_data(value: &RawValue) -> Result<Option<Data>, EventError> {
    let text: Option<String> = serde_json::from_str(value.get())
        .map_err(|_| EventError::Data("in `data_base64` is no string".to_owned()))?;
    let Some(text) = text else { return Ok(None) };
    let bytes =
        BASE64.decode(text).map_err(|_| EventError::Data("in `data_base64` is no Base64".to_owned()))?;
    Ok(Some(Data::Binary(bytes)))
}

/// Place and kind only: serde's text may quote the value.
fn json_error(error: &serde_json::Error) -> EventError {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "ends early",
        serde_json::error::Category::Data => "has another shape",
        _ => "is broken",
    };
    EventError::Json(format!("{what} at line {}, column {}", error.line(), error.column()))
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(12);
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
