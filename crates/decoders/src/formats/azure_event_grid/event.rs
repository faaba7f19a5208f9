//! One event, whichever of the two schemas it came in.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent;

use super::holds_json;
use crate::decode::Profile;
use crate::json::Node;

/// What the two schemas have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GridEvent {
    /// Where it stands in its delivery: `event 2`.
    pub(super) place: String,
    pub(super) id: String,
    pub(super) kind: String,
    /// Event Grid's `subject`; for a CloudEvent without one, its `source`.
    pub(super) subject: String,
    pub(super) time: Option<String>,
    pub(super) data: Node,
    /// Binary data whose producer states no content type.
    untyped: Option<Vec<u8>>,
}

impl GridEvent {
    /// Reads an element of a delivery, in Event Grid's own schema or, where it says a `specversion`, as a CloudEvent.
    ///
    /// Event Grid writes a CloudEvent's `source` from the names of resources, not all of which a URI may hold.
    pub(super) fn of_item(mut item: Node, place: &str) -> Result<Self, String> {
        let Node::Object(members) = &mut item else {
            return Err(format!("expected an object, found {}", item.kind()));
        };
        let data = members.swap_remove("data").map_or(Node::Null, |member| member.node);
        let text = |label: &str| match item.get(label) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(format!("{label}: expected a string, found {}", other.kind())),
        };
        let required = |label: &str| {
            text(label)?
                .filter(|text| !text.is_empty())
                .ok_or_else(|| format!("the member `{label}` is missing or empty"))
        };
        let place = place.to_owned();
        let id = required("id")?;
        let Some(version) = text("specversion")? else {
            let (kind, subject) = (required("eventType")?, text("subject")?.unwrap_or_default());
            return Ok(Self { place, id, kind, subject, time: text("eventTime")?, data, untyped: None });
        };
        if version != "1.0" {
            return Err("the specversion is not 1.0".to_owned());
        }
        let source = required("source")?;
        let is_json = text("datacontenttype")?.map(|found| cloudevent::is_json(&found));
        let (data, untyped) = match (text("data_base64")?, is_json) {
            (_, Some(false)) => (Node::Null, None),
            (Some(encoded), Some(true)) => (decoded(&encoded)?, None),
            (Some(encoded), None) => (Node::Null, Some(bytes(&encoded)?)),
            (None, _) => (data, None),
        };
        let subject = text("subject")?.unwrap_or(source);
        Ok(Self { place, id, kind: required("type")?, subject, time: text("time")?, data, untyped })
    }

    /// Takes an event that came in binary mode.
    pub(super) fn of_cloudevent(event: &Event, place: &str) -> Result<Self, String> {
        let content = cloudevent::bytes(event);
        let (data, untyped) = match event.datacontenttype() {
            None => (Node::Null, content.map(Cow::into_owned)),
            Some(stated) => {
                let content = content.filter(|_| cloudevent::is_json(stated));
                let data = content.map_or(Ok(Node::Null), |content| Node::parse(&content));
                (data.map_err(|error| error.to_string())?, None)
            }
        };
        Ok(Self {
            place: place.to_owned(),
            id: event.id().to_owned(),
            kind: event.ty().to_owned(),
            subject: event.subject().unwrap_or_else(|| event.source()).to_owned(),
            time: cloudevent::time(event).map(|time| time.to_string()),
            data,
            untyped,
        })
    }

    /// The event with its data, where the source's mapping says that what has no content type is JSON.
    pub(super) fn typed(&self, profile: &Profile) -> Result<Cow<'_, Self>, String> {
        match &self.untyped {
            Some(bytes) if holds_json(None, profile) => {
                let data = Node::parse(bytes).map_err(|error| format!("the decoded body: {error}"))?;
                Ok(Cow::Owned(Self { data, untyped: None, ..self.clone() }))
            }
            _ => Ok(Cow::Borrowed(self)),
        }
    }
}

/// JSON in Base64.
pub(super) fn decoded(text: &str) -> Result<Node, String> {
    Node::parse(&bytes(text)?).map_err(|error| format!("the decoded body: {error}"))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text.trim()).map_err(|_| "expected JSON or Base64, found another text".to_owned())
}
