//! One event, whichever of the two schemas it came in.

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
    /// Reads an element of a delivery in Event Grid's own schema.
    pub(super) fn of_item(item: &Node, place: &str) -> Result<Self, String> {
        if item.as_object().is_none() {
            return Err(format!("expected an object, found {}", item.kind()));
        }
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
        Ok(Self {
            place: place.to_owned(),
            id: required("id")?,
            kind: required("eventType")?,
            subject: text("subject")?.unwrap_or_default(),
            time: text("eventTime")?,
            data: item.get("data").cloned().unwrap_or(Node::Null),
        })
    }

    /// Takes an event in the CloudEvents schema.
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
