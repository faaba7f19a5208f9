//! What makes a second payload a repetition of the first.

use std::time::Duration;

use cloudevents::AttributesReader as _;
use event_model::hex;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::accepted::Accepted;
use crate::event::Carried;

/// The same event is the same payload for as long as any broker keeps it.
const EVENT_WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// The key of a payload within its source, and how long it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition {
    /// `id:` and the event's id, or `event:` or `body:` and a hash.
    pub key: String,
    /// From when on a payload of the same key is another payload.
    pub expires_at: Timestamp,
}

impl Repetition {
    /// By the event's id, or by the body where the platform re-sends without saying so. `None` for an event whose id `ingest` has
    /// made of time and chance: its receipt, by that id and the receive time, is enough.
    pub fn of(carried: &Carried, accepted: &Accepted<'_>) -> Option<Self> {
        let (key, window) = match body_key(accepted) {
            Some(by_body) => by_body,
            None if carried.is_once_only() && carried.time() == Some(accepted.received_at) => return None,
            None => (event_key(carried), EVENT_WINDOW),
        };
        let expires_at = accepted.received_at.checked_add(window).unwrap_or(Timestamp::MAX);
        Some(Self { key, expires_at })
    }
}

/// `ingest` derives the ids of a source so that no two payloads share one. Ids of others are theirs, and unique with the event's
/// own source only (CloudEvents 1.0.2, `id`).
fn event_key(carried: &Carried) -> String {
    let event = carried.event();
    if carried.is_payload_received() {
        return format!("id:{}", event.id());
    }
    format!("event:{}", hex_hash([event.source().as_bytes(), event.id().as_bytes()]))
}

/// For a payload that has neither a message id nor times of its own, within a source that has a re-send window.
fn body_key(accepted: &Accepted<'_>) -> Option<(String, Duration)> {
    let Accepted { origin, request, inspection, received_at, decoded, .. } = accepted;
    let window = origin.source.resend_window.unwrap_or_else(|| origin.decoder.default_resend_window());
    let has_own_time = || decoded.samples.iter().any(|sample| sample.observed_at != *received_at);
    if window.is_zero() || inspection.message_id.is_some() || decoded.samples.is_empty() || has_own_time() {
        return None;
    }
    let device = inspection.device.as_deref().unwrap_or_default();
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
