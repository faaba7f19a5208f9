//! What each format implements.

use std::time::Duration;

use event_model::RecordedRequest;
use settings::Fields;

use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Profile};
use crate::options::Options;
use crate::overwritten::Series;

/// The answer of a server of this platform to a request for its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: &'static [(&'static str, &'static str)],
    /// JSON; nothing where empty.
    pub body: &'static str,
}

/// One platform's format. All methods are pure and never panic.
pub trait Decoder: Send + Sync {
    /// The format's name in `freshet.yaml`, snake_case.
    fn name(&self) -> &'static str;

    /// The status of a request that was queued: what this platform takes as success.
    fn success_status(&self) -> u16 {
        202
    }

    /// The body of the answer to a request that was queued, behind its content type, where this platform reads one.
    fn success_body(&self, _request: &RecordedRequest) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Which setting of its senders makes a body smaller; whoever sends one that is too large is told.
    fn advice_for_large_bodies(&self) -> Option<&'static str> {
        None
    }

    /// Header fields beside `content-type` that the decoder reads; no other reaches the queue. Lower case.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// How long two equal payloads without an id and a time of their own count as one re-sent message.
    fn default_resend_window(&self) -> Duration {
        Duration::ZERO
    }

    /// Reads the keys of a source's entry that only this format has.
    fn options(&self, _fields: &Fields<'_>) -> Options {
        Options::default()
    }

    /// Paths that this platform's clients write to by themselves, each with the query parameter that names the source where
    /// the path does not: for clients that take a host and no path. The longer first.
    fn own_paths(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The answer to a request that asks for the server's health and brings no payload; `path` ends in what is asked.
    fn health(&self, _path: &str, _query: &str) -> Option<Health> {
        None
    }

    /// What this platform's clients look for in the body of an error beside the members of RFC 9457.
    fn error_members(&self, _status: u16, _detail: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// How little patience its senders have, where a slow answer loses their payload.
    fn impatience(&self) -> Option<&'static str> {
        None
    }

    /// Whether its senders write times of their own zone without an offset, so that a source should say which that is.
    fn writes_local_times(&self) -> bool {
        false
    }

    /// Whether its values were calibrated before they were written, so that they stay as they are.
    fn writes_calibrated(&self) -> bool {
        false
    }

    /// Replaces what is a credential within the format's own fields (Ecowitt's PASSKEY) by an alias.
    ///
    /// Called once, by `ingest`, after authentication and before anything else reads the request.
    fn redact(&self, _request: &mut RecordedRequest) {}

    /// Checks method, content type and form, and reads the body, once for [`Document::inspect`] and [`Document::decode`].
    ///
    /// # Errors
    /// [`FormError`] where the request is no request of this format at all.
    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError>;

    /// [`Decoder::parse`] and [`Document::inspect`], for those who need no more.
    ///
    /// # Errors
    /// Those of the two.
    fn inspect(&self, request: &RecordedRequest, profile: &Profile) -> Result<Inspection, FormError> {
        self.parse(request)?.inspect(profile)
    }

    /// [`Decoder::parse`] and [`Document::decode`], for those who need no more.
    ///
    /// # Errors
    /// Those of the two.
    fn decode(&self, request: &RecordedRequest, context: Context<'_>) -> Result<Decoded, DecodeError> {
        self.parse(request)?.decode(context)
    }
}

/// A request whose body has been read: a JSON tree, the points of line protocol, the fields of a form.
pub trait Document: Send + Sync {
    /// Takes what is cheap.
    ///
    /// # Errors
    /// [`FormError`] where the content cannot be of this format.
    fn inspect(&self, profile: &Profile) -> Result<Inspection, FormError>;

    /// Reads the content, as the format has it.
    ///
    /// # Errors
    /// [`DecodeError`] where nothing can be taken from it.
    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError>;

    /// Whether a metric may have several values at one time, each in its own unit or of its own kind.
    fn tells_units_apart(&self) -> bool {
        false
    }

    /// Reads the content, and sees to what holds for every format: no value takes the place of another without a problem,
    /// and tags are printable.
    ///
    /// # Errors
    /// As [`Document::read`].
    fn decode(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = self.read(context)?;
        decoded.report_overwritten(if self.tells_units_apart() {
            Series::NameUnitAndKind
        } else {
            Series::Name
        });
        decoded.make_tags_printable();
        Ok(decoded)
    }
}
