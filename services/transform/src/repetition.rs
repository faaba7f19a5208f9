//! What makes a second payload a repetition of the first.

use std::time::Duration;

use cloudevents::{AttributesReader as _, Event};
use event_model::Reading;
use sha2::{Digest as _, Sha256};
use store::Claim;

use crate::origin::Origin;

/// The same event is the same payload for as long as any broker keeps it.
const EVENT_WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// The claim of a payload: by its event's id, or by its body where its platform re-sends without saying so.
pub(crate) fn claim(event: &Event, origin: &Origin<'_>, readings: &[Reading]) -> Claim {
    let (key, window) = match body_key(origin, readings) {
        Some(by_body) => by_body,
        None => (format!("id:{}", event.id()), EVENT_WINDOW),
    };
    let expires_at = origin.received_at.checked_add(window).unwrap_or(jiff::Timestamp::MAX);
    Claim { source: origin.name.to_owned(), key, expires_at }
}

/// For a payload that has neither a message id nor times of its own, within a source that has a re-send window.
fn body_key(origin: &Origin<'_>, readings: &[Reading]) -> Option<(String, Duration)> {
    let window = origin.source.resend_window.unwrap_or_else(|| origin.decoder.default_resend_window());
    let has_own_time = || readings.iter().any(|reading| reading.observed_at != origin.received_at);
    if window.is_zero() || readings.is_empty() || has_own_time() {
        return None;
    }
    let intake = origin.decoder.inspect(&origin.request, &origin.source.profile).ok()?;
    if intake.message_id.is_some() {
        return None;
    }
    let mut hash = Sha256::new();
    let request = &origin.request;
    let device = intake.device.unwrap_or_default();
    // The query is the payload where a station reports by GET.
    for part in [device.as_bytes(), request.path.as_bytes(), request.query.as_bytes(), &request.body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Some((format!("body:{hash}"), window))
}
