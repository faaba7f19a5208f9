//! The event that an accepted request becomes.

use cloudevents::{AttributesReader as _, Event};
use event_model::events::{APPLICATION_HTTP, EXT_PARTITION_KEY, EXT_PAYLOAD_FORMAT};
use event_model::{RecordedRequest, cloudevent, event_types, hex};
use jiff::Timestamp;
use runtime::trace;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Longer ids and keys are replaced by their hash: a record's head is bounded too.
const MAX_TEXT: usize = 200;

/// What is known of a request beside its text.
pub(crate) struct Facts<'a> {
    pub(crate) source: &'a str,
    pub(crate) format: &'static str,
    pub(crate) received_at: Timestamp,
    /// The platform's id of the message.
    pub(crate) message_id: Option<&'a str>,
    pub(crate) device: Option<&'a str>,
    pub(crate) traceparent: Option<&'a str>,
}

/// `dev.freshet.payload.received.v1`.
pub(crate) fn payload_received(request: &RecordedRequest, facts: &Facts<'_>) -> Event {
    let id = facts.message_id.map_or_else(
        // Of time and chance: unlike any other request's.
        || Uuid::now_v7().to_string(),
        |message_id| format!("{}-{}", travelling(message_id), hex(&Sha256::digest(&request.body)[..8])),
    );
    let source = format!("/sources/{}", facts.source);
    let mut event = cloudevent::new(event_types::PAYLOAD_RECEIVED, &source, &id);
    cloudevent::set_time(&mut event, facts.received_at);
    let key = facts.device.map_or_else(|| event.id().to_owned(), travelling);
    event.set_extension(EXT_PARTITION_KEY, key);
    event.set_extension(EXT_PAYLOAD_FORMAT, facts.format);
    if let Some(traceparent) = facts.traceparent {
        event.set_extension(trace::TRACEPARENT, traceparent);
    }
    event.set_data(APPLICATION_HTTP, request.to_bytes());
    event
}

/// A text that a broker passes on unchanged: itself where it does, else its hexadecimal; a hash where that is long.
fn travelling(text: &str) -> String {
    if cloudevent::is_safe(text) && text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    if text.len() * 2 <= MAX_TEXT { hex(text.as_bytes()) } else { hex(&Sha256::digest(text)) }
}

#[cfg(test)]
mod tests {
    use cloudevents::AttributesReader as _;
    use event_model::{RecordedRequest, cloudevent};
    use jiff::Timestamp;

    use super::{Facts, payload_received, travelling};

    fn facts() -> Facts<'static> {
        Facts {
            source: "greenhouse",
            format: "json",
            received_at: Timestamp::UNIX_EPOCH,
            message_id: Some("m 1"),
            device: Some("gh-7"),
            traceparent: None,
        }
    }

    #[test]
    fn the_same_message_has_the_same_id_and_another_body_has_another() {
        let request = RecordedRequest { body: "a".into(), ..RecordedRequest::default() };
        let other = RecordedRequest { body: "b".into(), ..RecordedRequest::default() };
        let event = payload_received(&request, &facts());
        assert_eq!(event.id(), payload_received(&request, &facts()).id());
        assert_ne!(event.id(), payload_received(&other, &facts()).id());
        assert_eq!(event.id(), "6d2031-ca978112ca1bbdca");
        assert_eq!(cloudevent::extension(&event, "partitionkey").as_deref(), Some("gh-7"));
        assert_eq!(cloudevent::first_unsafe_attribute(&event), None);
    }

    #[test]
    fn a_request_without_an_id_is_like_no_other_and_keyed_by_its_own() {
        let facts = || Facts { message_id: None, device: None, ..facts() };
        let event = payload_received(&RecordedRequest::default(), &facts());
        assert_ne!(event.id(), payload_received(&RecordedRequest::default(), &facts()).id());
        assert_eq!(cloudevent::extension(&event, "partitionkey").as_deref(), Some(event.id()));
    }

    #[test]
    fn whatever_a_platform_calls_its_messages_travels() {
        for text in ["", "ä b", "100%", &"x".repeat(10_000), &"ä".repeat(10_000)] {
            let id = travelling(text);
            assert!(id.len() <= super::MAX_TEXT && (id.is_empty() || cloudevent::is_safe(&id)), "{id}");
        }
    }
}
