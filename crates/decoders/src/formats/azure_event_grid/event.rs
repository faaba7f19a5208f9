//! One event, whichever of the two schemas it came in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloudevents::{AttributesReader as _, Event};
use event_model::cloudevent;

use super::cloudevents::data;
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
            Some(Node::Text(text)) => Ok(Some(text.clone())),
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
            return Ok(Self { place, id, kind, subject, time: text("eventTime")?, data });
        };
        if version != "1.0" {
            return Err("the specversion is not 1.0".to_owned());
        }
        let source = required("source")?;
        let is_json = text("datacontenttype")?.is_none_or(|found| cloudevent::is_json(&found));
        let data = match text("data_base64")? {
            _ if !is_json => Node::Null,
            Some(encoded) => decoded(&encoded)?,
            None => data,
        };
        let subject = text("subject")?.unwrap_or(source);
        Ok(Self { place, id, kind: required("type")?, subject, time: text("time")?, data })
    }

    /// Takes an event that came in binary mode.
    pub(super) fn of_cloudevent(event: &Event, place: &str) -> Result<Self, String> {
        Ok(Self {
            place: place.to_owned(),
            id: event.id().to_owned(),
            kind: event.ty().to_owned(),
            subject: event.subject().unwrap_or_else(|| event.source()).to_owned(),
            time: cloudevent::time(event).map(|time| time.to_string()),
            data: data(event)?.unwrap_or(Node::Null),
        })
    }
}

/// JSON in Base64.
pub(super) fn decoded(text: &str) -> Result<Node, String> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| "expected JSON or Base64, found another text")?;
    Node::parse(&bytes).map_err(|error| format!("the decoded body: {error}"))
}
