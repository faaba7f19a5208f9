//! One dead letter with its event, from the database or from a release's `dead-letter` stage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloudevents::Event;
use event_model::cloudevent::EventError;
use serde_json::{Map, Value};
use store::dead_letters::{DeadEvent, StoredDeadLetter};

use super::Line;

/// A dead letter with its event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WholeDeadLetter {
    /// All but the event.
    pub(super) line: Line,
    /// The event's attributes.
    pub(super) attributes: Map<String, Value>,
    /// The event's data, byte for byte.
    pub(super) data: Vec<u8>,
}

impl WholeDeadLetter {
    /// As the database keeps it.
    pub(super) fn of(stored: StoredDeadLetter) -> Self {
        let line = Line::of(&stored);
        let event = stored.dead_letter.event;
        Self { line, attributes: event.attributes, data: event.data.unwrap_or_default() }
    }

    /// The event.
    ///
    /// # Errors
    /// [`EventError`] where its attributes are those of no valid event.
    pub(super) fn to_event(&self) -> Result<Event, EventError> {
        let event = DeadEvent {
            source: self.line.source.clone(),
            id: self.line.event_id.clone(),
            event_type: self.line.event_type.clone(),
            attributes: self.attributes.clone(),
            data: Some(self.data.clone()),
        };
        event.to_event()
    }

    /// As the stage answers `GET /dead-letters/{id}`; `None` where that is not what it should be.
    pub(super) fn from_json(answer: &Value) -> Option<Self> {
        let line = serde_json::from_value(answer.clone()).ok()?;
        let attributes = answer["attributes"].as_object()?.clone();
        let data = match (answer["data"].as_str(), answer["data_base64"].as_str()) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(text)) => BASE64.decode(text).ok()?,
            (None, None) => Vec::new(),
        };
        Some(Self { line, attributes, data })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::WholeDeadLetter;

    #[test]
    fn the_stages_answer_is_read_with_its_bytes() {
        let mut answer = json!({
            "id": "0b0e8b66-94c6-5f3c-9d35-8c2f7c9f1a11", "state": "open", "stage": "transform", "cause": "rejected",
            "reason": "one item makes no sense", "problems": [{"place": "t", "reason": "expected a number"}],
            "source": "/sources/a", "event_id": "m-1", "event_type": "x", "deliveries": 1,
            "first_at": "2026-03-01T12:00:00Z", "last_at": "2026-03-01T12:00:00Z", "replays": 0,
            "replayed_at": null, "resolved_at": null, "attributes": {"id": "m-1"}, "data_base64": "AAH/",
        });
        let dead_letter = WholeDeadLetter::from_json(&answer).unwrap();
        assert_eq!(
            (dead_letter.line.stage.as_str(), dead_letter.data.as_slice()),
            ("transform", [0, 1, 255].as_slice())
        );
        answer["cause"] = "unheard of".into();
        assert!(WholeDeadLetter::from_json(&answer).is_none());
    }
}
