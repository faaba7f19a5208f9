#![doc = include_str!("cloudevents.md")]

use cloudevents::{AttributesReader as _, Event};
use event_model::RecordedRequest;
use event_model::cloudevent::{self, EventError};
use settings::Fields;
use sha2::{Digest as _, Sha256};

use super::json::{self, Envelope};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::mapping::Mapping;
use crate::options::Options;
use crate::time::Clock;

/// CloudEvents 1.0 over HTTP.
#[derive(Debug, Clone, Copy, Default)]
pub struct CloudEvents;

/// The header fields of binary mode that a reading depends on.
pub(super) const HEADERS: &[&str] =
    &["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-dataschema"];

/// The events of a request, and whether they came as a batch.
pub(super) struct Events {
    pub(super) events: Vec<Result<Event, EventError>>,
    pub(super) is_batch: bool,
}

impl Decoder for CloudEvents {
    fn name(&self) -> &'static str {
        "cloudevents"
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        HEADERS
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Mapping::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        Ok(Box::new(events(request)?))
    }
}

impl Document for Events {
    fn inspect(&self, profile: &Profile) -> Result<Inspection, FormError> {
        self.refuse_without_an_event()?;
        let [Ok(event)] = self.events.as_slice() else { return Ok(Inspection::default()) };
        Ok(Inspection {
            device: (!names_device(profile)).then(|| device(event).to_owned()),
            message_id: Some(format!("{} {}", event.source(), event.id())),
            content: fingerprint(event),
            handshake: None,
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let is_batch = self.is_batch;
        let mut decoded = Decoded::default();
        decoded.add_each(self.events.iter().enumerate().map(Ok), !is_batch, |(index, event), decoded| {
            let place = if is_batch { format!("event {}", index + 1) } else { String::new() };
            match event {
                Ok(event) => take(event, &place, context, decoded),
                Err(error) => Err(Problem { place, reason: error.to_string() }),
            }
        })?;
        Ok(decoded)
    }
}

impl Events {
    /// A batch may hold bad events, but not only those.
    fn refuse_without_an_event(&self) -> Result<(), FormError> {
        let mut errors = self.events.iter().map(|event| event.as_ref().err());
        match errors.next() {
            Some(Some(first)) if errors.all(|error| error.is_some()) => {
                Err(FormError::Malformed(first.to_string()))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the events in whatever mode they came.
pub(super) fn events(request: &RecordedRequest) -> Result<Events, FormError> {
    if request.method != "POST" {
        return Err(FormError::MethodNotAllowed { found: request.method.clone(), expected: "POST".into() });
    }
    let malformed = |error: EventError| FormError::Malformed(error.to_string());
    let media_type = request.media_type().unwrap_or_default();
    match media_type.as_str() {
        cloudevent::STRUCTURED => {
            let event = cloudevent::from_structured(&request.body).map_err(malformed)?;
            Ok(Events { events: vec![Ok(event)], is_batch: false })
        }
        cloudevent::BATCH => {
            let events = cloudevent::batch(&request.body).map_err(malformed)?;
            Ok(Events { events, is_batch: true })
        }
        other if other.starts_with("application/cloudevents") || !is_binary(request) => {
            let expected =
                format!("{}, {}, or ce-* header fields", cloudevent::STRUCTURED, cloudevent::BATCH);
            Err(FormError::UnsupportedMediaType { found: other.to_owned(), expected })
        }
        _ => {
            let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let event =
                cloudevent::from_binary_percent_encoded(headers, request.body.as_ref()).map_err(malformed)?;
            Ok(Events { events: vec![Ok(event)], is_batch: false })
        }
    }
}

/// Whether the request carries an event in binary mode.
pub(super) fn is_binary(request: &RecordedRequest) -> bool {
    request.headers.iter().any(|(name, _)| name.starts_with("ce-"))
}

/// Whether the source's mapping looks for the device in the data.
pub(super) fn names_device(profile: &Profile) -> bool {
    Mapping::of(profile).is_some_and(|mapping| !mapping.device.is_empty())
}

/// What the event is about: its subject, else its source.
pub(super) fn device(event: &Event) -> &str {
    event.subject().filter(|subject| !subject.trim().is_empty()).unwrap_or_else(|| event.source())
}

fn take(event: &Event, place: &str, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let place = if place.is_empty() { "data".to_owned() } else { format!("{place}: data") };
    let Some(data) =
        data(event, context.profile).map_err(|reason| Problem { place: place.clone(), reason })?
    else {
        return Ok(());
    };
    let time = cloudevent::time(event).map(|at| Clock::new(context).moment(Some(at)));
    let envelope = Envelope { device: Some(device(event)), time, place: &place };
    json::read(&data, envelope, context, decoded)
}

/// The event's data as JSON; `None` where there is none, or it is of another type.
pub(super) fn data(event: &Event, profile: &Profile) -> Result<Option<Node>, String> {
    let Some(bytes) = cloudevent::bytes(event).filter(|_| holds_json(event.datacontenttype(), profile))
    else {
        return Ok(None);
    };
    Node::parse(&bytes).map(Some).map_err(|error| error.to_string())
}

/// Whether binary data of this content type is JSON. Where its producer states none, nothing is inferred (JSON Event Format,
/// section 3.1.2: `application/json` is implied for the member `data` alone), unless the source's mapping says what it is.
pub(super) fn holds_json(content_type: Option<&str>, profile: &Profile) -> bool {
    content_type.map_or_else(
        || Mapping::of(profile).is_some_and(|mapping| mapping.untyped_is_json),
        cloudevent::is_json,
    )
}

/// A hash of the event's data without white space between its tokens, so that an event is the same in whatever mode it comes.
fn fingerprint(event: &Event) -> Option<[u8; 8]> {
    let bytes = cloudevent::bytes(event).unwrap_or_default();
    let mut hash = Sha256::new();
    let (mut in_string, mut is_escaped) = (false, false);
    for token in bytes.split_inclusive(|byte| {
        let was_in_string = in_string;
        if in_string {
            in_string = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
        } else {
            in_string = *byte == b'"';
        }
        !was_in_string && byte.is_ascii_whitespace()
    }) {
        hash.update(token.trim_ascii_end());
    }
    <[u8]>::first_chunk(&hash.finalize()).copied()
}

#[cfg(test)]
mod tests;
