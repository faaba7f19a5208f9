//! The context attributes: names, types, which are required (CloudEvents 1.0, section 3).

use cloudevents::event::{Data, EventBuilderV10, ExtensionValue, TryIntoTime as _, TryIntoUrl as _};
use cloudevents::{AttributesWriter as _, Event, EventBuilder as _};

use super::EventError;

/// How many extension attributes an event may have.
const MAX_EXTENSIONS: usize = 64;

/// Attributes as they are found, in any order.
#[derive(Default)]
pub(super) struct Attributes {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    event_type: Option<String>,
    subject: Option<String>,
    time: Option<String>,
    dataschema: Option<String>,
    pub(super) datacontenttype: Option<String>,
    extensions: Vec<(String, ExtensionValue)>,
}

impl Attributes {
    /// Takes an attribute whose value is a text.
    pub(super) fn text(&mut self, name: &str, value: String) -> Result<(), EventError> {
        if !value.chars().all(is_allowed) {
            return Err(EventError::value(name, "holds control characters or noncharacters"));
        }
        let slot = match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.event_type,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "dataschema" => &mut self.dataschema,
            "datacontenttype" => &mut self.datacontenttype,
            _ => return self.extension(name, ExtensionValue::String(value)),
        };
        if slot.replace(value).is_some() {
            return Err(EventError::Duplicate(name.to_owned()));
        }
        Ok(())
    }

    /// Takes an extension attribute.
    pub(super) fn extension(&mut self, name: &str, value: ExtensionValue) -> Result<(), EventError> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err(EventError::Name(name.to_owned()));
        }
        if self.extensions.len() == MAX_EXTENSIONS {
            return Err(EventError::TooManyAttributes);
        }
        if self.extensions.iter().any(|(taken, _)| taken == name) {
            return Err(EventError::Duplicate(name.to_owned()));
        }
        self.extensions.push((name.to_owned(), value));
        Ok(())
    }

    /// The event of these attributes.
    pub(super) fn build(self, data: Option<Data>) -> Result<Event, EventError> {
        if self.specversion.as_deref().ok_or(EventError::Missing("specversion"))? != "1.0" {
            return Err(EventError::SpecVersion);
        }
        let source = required(self.source, "source")?;
        if !is_uri_reference(&source) {
            return Err(EventError::value("source", "is no URI reference"));
        }
        let mut event = EventBuilderV10::new()
            .id(required(self.id, "id")?)
            .source(source)
            .ty(required(self.event_type, "type")?)
            .build()
            .map_err(|_| EventError::Missing("source"))?;
        if let Some(subject) = self.subject {
            event.set_subject(Some(not_empty(subject, "subject")?));
        }
        if let Some(time) = self.time {
            let time = time.into_time().map_err(|_| EventError::value("time", "is no RFC 3339 time"))?;
            event.set_time(Some(time));
        }
        if let Some(schema) = self.dataschema {
            let schema =
                schema.into_url().map_err(|_| EventError::value("dataschema", "is no absolute URI"))?;
            event.set_dataschema(Some(schema));
        }
        if let Some(content_type) = self.datacontenttype {
            if !is_media_type(&content_type) {
                return Err(EventError::value("datacontenttype", "is no media type"));
            }
            event.set_datacontenttype(Some(content_type));
        }
        if let Some(data) = data {
            event.set_data_unchecked(data);
        }
        for (name, value) in self.extensions {
            event.set_extension(&name, value);
        }
        Ok(event)
    }
}

fn required(value: Option<String>, name: &'static str) -> Result<String, EventError> {
    value.filter(|text| !text.is_empty()).ok_or(EventError::Missing(name))
}

fn not_empty(value: String, name: &str) -> Result<String, EventError> {
    if value.is_empty() { Err(EventError::value(name, "is empty")) } else { Ok(value) }
}

/// The type String of CloudEvents 1.0, section 3.1: no control characters, no noncharacters.
fn is_allowed(character: char) -> bool {
    let code = u32::from(character);
    !character.is_control() && !(0xFDD0..=0xFDEF).contains(&code) && code & 0xFFFE != 0xFFFE
}

/// Only characters of RFC 3986, and `%` only before two hexadecimal digits. Letters beyond ASCII are let through, as
/// everybody else does.
fn is_uri_reference(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)),
        b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
        _ => true,
    })
}

/// `type/subtype` of RFC 2045 tokens, then perhaps parameters.
fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte))
    };
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}
