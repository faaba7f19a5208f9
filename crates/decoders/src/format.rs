//! The formats by name, and the trait that each one implements.

use std::time::Duration;

use event_model::RecordedRequest;

use crate::decode::{Context, DecodeError, Decoded, FormError, Intake, Profile};

/// One platform's format. All methods are pure and never panic.
pub trait Decoder: Send + Sync {
    /// The format's name in `freshet.yaml`, snake_case.
    fn name(&self) -> &'static str;

    /// The status of a request that was queued: what this platform takes as success.
    fn success_status(&self) -> u16 {
        202
    }

    /// Header fields beside `content-type` that the decoder reads; no other reaches the queue. Lower case.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// How long two equal payloads without an id and a time of their own count as one re-sent message.
    fn default_resend_window(&self) -> Duration {
        Duration::ZERO
    }

    /// Replaces what is a credential within the format's own fields (Ecowitt's PASSKEY) by an alias.
    ///
    /// Called once, by `ingest`, after authentication and before anything else reads the request.
    fn redact(&self, _request: &mut RecordedRequest) {}

    /// Checks the form, and takes what is cheap.
    ///
    /// # Errors
    /// [`FormError`] where the request is no request of this format at all.
    fn inspect(&self, request: &RecordedRequest, profile: &Profile) -> Result<Intake, FormError>;

    /// Reads the content.
    ///
    /// # Errors
    /// [`DecodeError`] where nothing can be taken from it.
    fn decode(&self, request: &RecordedRequest, context: Context<'_>) -> Result<Decoded, DecodeError>;
}

/// Every format that is built, in the order of their names.
pub fn all() -> &'static [&'static dyn Decoder] {
    crate::formats::ALL
}

/// The format that `freshet.yaml` names.
pub fn by_name(name: &str) -> Option<&'static dyn Decoder> {
    all().iter().copied().find(|format| format.name() == name)
}
