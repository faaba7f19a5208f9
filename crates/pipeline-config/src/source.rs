//! A source: one address that payloads of one format come to, or one type of events that others put into the Broker.

use std::collections::BTreeMap;
use std::time::Duration;

use decoders::Profile;

use crate::credential::Credential;

/// One entry of `sources`.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The format's name, known to `decoders::Format::by_name`.
    pub format: String,
    /// Any one lets a request in; none at all: anyone may send.
    pub credentials: Vec<Credential>,
    /// What decoders need to know; `profile.source` is the source's name.
    pub profile: Profile,
    /// Tags that every device of the source carries.
    pub tags: BTreeMap<String, String>,
    /// How long an equal payload without id and time counts as one re-sent message; `None`: the format's default.
    pub resend_window: Option<Duration>,
    /// The most requests that are taken; `None`: no bound of its own.
    pub rate: Option<Rate>,
    /// Set where the source is events in the Broker instead of requests from outside.
    pub events: Option<ForeignEvents>,
}

/// Events that others put into the Broker and that `transform` takes unwrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignEvents {
    /// Their CloudEvents `type`.
    pub event_type: String,
}

/// A bound on requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// This many requests, more than 0,
    pub requests: u32,
    /// in this time.
    pub per: Duration,
}
