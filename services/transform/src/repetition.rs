//! What makes a second payload a repetition of the first.

use std::time::Duration;

use cloudevents::{AttributesReader as _, Event};
use event_model::event_types::PAYLOAD_RECEIVED;
use event_model::{Sample, hex};
use sha2::{Digest as _, Sha256};
use store::Claim;

use crate::origin::Origin;

/// The same event is the same payload for as long as any broker keeps it.
const EVENT_WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// The claim of a payload: by its event's id, or by its body where its platform re-sends without saying so.
pub(crate) fn claim(event: &Event, origin: &Origin<'_>, samples: &[Sample]) -> Claim {
    let (key, window) = match body_key(origin, samples) {
        Some(by_body) => by_body,
        None => (event_key(event), EVENT_WINDOW),
    };
    let expires_at = origin.received_at.checked_add(window).unwrap_or(jiff::Timestamp::MAX);
    Claim { source: origin.name.to_owned(), key, expires_at }
}

/// `ingest` derives the ids of a source so that no two payloads share one. Ids of others are theirs, and unique with the event's
/// own source only (CloudEvents 1.0.2, `id`).
fn event_key(event: &Event) -> String {
    if event.ty() == PAYLOAD_RECEIVED {
        return format!("id:{}", event.id());
    }
    format!("event:{}", hex_hash([event.source().as_bytes(), event.id().as_bytes()]))
}

/// For a payload that has neither a message id nor times of its own, within a source that has a re-send window.
fn body_key(origin: &Origin<'_>, samples: &[Sample]) -> Option<(String, Duration)> {
    let window = origin.source.resend_window.unwrap_or_else(|| origin.decoder.default_resend_window());
    let has_own_time = || samples.iter().any(|sample| sample.observed_at != origin.received_at);
    if window.is_zero() || samples.is_empty() || has_own_time() {
        return None;
    }
    let intake = origin.decoder.inspect(&origin.request, &origin.source.profile).ok()?;
    if intake.message_id.is_some() {
        return None;
    }
    let request = &origin.request;
    let device = intake.device.unwrap_or_default();
    // The query is the payload where a station reports by GET.
    let parts = [device.as_bytes(), request.path.as_bytes(), request.query.as_bytes(), &request.body];
    Some((format!("body:{}", hex_hash(parts)), window))
}

/// The SHA-256 of `parts`, each with its length, so that no two lists are written alike.
fn hex_hash<const N: usize>(parts: [&[u8]; N]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}
