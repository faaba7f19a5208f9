//! `canary`: a device of the pipeline's own, whose payloads show that the whole chain works: a source, a rule and a receiver that no file names.
//!
//! A payload has two readings, a thousandth of a second apart: the first makes the rule fire and the second ends it, so that no payload depends on
//! one before it. Its alerts go to the receiver that only notes them, and no other alert does.

use std::collections::BTreeMap;

use decoders::Profile;
use decoders::decode::DEFAULT_MAX_READINGS;
use event_model::Severity;
use jiff::{SignedDuration, Timestamp};
use rules::{Condition, Rule, Selector};
use settings::{DurationWithin, Fields, Named, Object, Report, Shape};

use crate::credential::Credential;
use crate::network::Network;
use crate::receiver::address::address;
use crate::secret::{OrSecret, Reference, SecretRef, Setting};
use crate::source::{KeepRequests, Source, Unknown};

/// The name of its source, and of its receiver.
pub const NAME: &str = "freshet-canary";
/// The device that the payloads of its job name.
pub const DEVICE: &str = "canary";
/// The one of `freshet canary`: two that are under way at once are two series.
pub const DEVICE_BY_HAND: &str = "canary-by-hand";
/// The metric that they measure.
pub const METRIC: &str = "canary";
/// The rule that its payloads make fire.
pub const RULE: &str = "FreshetCanary";
/// The tag of its devices.
pub const TAG: &str = "canary";

/// How long the whole chain may take where the file does not say.
const DEFAULT_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// The resolution of the times of a payload.
const STEP: SignedDuration = SignedDuration::from_millis(1);

/// `canary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Where senders reach the pipeline: what stands before `/hooks`. `None`: nothing is sent at times.
    pub url: Option<Setting>,
    /// The token that its payloads show.
    pub secret: SecretRef,
    /// How long the whole chain may take.
    pub within: SignedDuration,
    /// Whom runs are told to outside.
    pub ping: Ping,
}

/// Addresses outside that are asked for (GET) once a run is over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ping {
    /// After one that came all the way.
    pub success: Option<Setting>,
    /// After one that did not.
    pub failure: Option<Setting>,
}

/// The two readings of the payload of a device and `at`, in JSON; `at` is in whole milliseconds.
pub fn payload(device: &str, at: Timestamp) -> String {
    let reading = |at: Timestamp, value: u8| {
        let time = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        format!(r#"{{"device":"{device}","time":"{time}","{METRIC}":{value}}}"#)
    };
    format!("[{},{}]", reading(at, 1), reading(at.saturating_add(STEP).unwrap_or(at), 0))
}

/// The time of the payload that is made at `now`.
pub fn time_of_payload(now: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// `canary`.
pub(crate) fn canary(fields: &Fields<'_>, network: &Network) -> Option<Canary> {
    let text = "A device of the pipeline's own, whose payloads show that the whole chain works.";
    let read = |fields: &Fields<'_>| {
        let text = "Where senders reach the pipeline, what stands before `/hooks`; where absent nothing is sent but by `freshet canary`.";
        let url = fields.optional("url", text, OrSecret(address(network)));
        let secret = fields.required("secret", "The token that its payloads show.", Reference);
        let text = "How long the whole chain may take, from the payload to its notification.";
        let within = DurationWithin(SignedDuration::from_secs(1), SignedDuration::from_mins(50));
        let within = fields.or("within", text, within, DEFAULT_WITHIN);
        let text = "Addresses outside that are asked for (GET) once a run is over.";
        let ping = fields.optional("ping", text, ping(network));
        Some(Canary { url, secret: secret?, within, ping: ping.unwrap_or_default() })
    };
    fields.optional("canary", text, Object::new("Canary", text, read))
}

fn ping(network: &Network) -> impl Shape<Value = Ping> {
    let text = "Addresses outside that are asked for once a run is over.";
    Object::new("CanaryPing", text, |fields: &Fields<'_>| {
        let address = || OrSecret(address(network));
        let success = fields.optional("success", "After a run that came all the way.", address());
        let failure = fields.optional("failure", "After a run that did not.", address());
        Some(Ping { success, failure })
    })
}

/// A mistake for each entry that has a name of what belongs to `canary`.
pub(crate) fn refuse_its_names<T>(entries: &[Named<T>], report: &Report) {
    for Named { name, place, .. } in
        entries.iter().filter(|entry| [NAME, RULE].contains(&entry.name.as_str()))
    {
        report.mistake(*place, format!("`{name}` is the name of what belongs to `canary`: take another"));
    }
}

impl Canary {
    /// Its source.
    pub(crate) fn source(&self) -> Source {
        Source {
            format: decoders::plain().name().to_owned(),
            credentials: vec![Credential::Bearer { secret: self.secret.clone() }],
            profile: Profile {
                source: NAME.to_owned(),
                max_readings: DEFAULT_MAX_READINGS,
                ..Profile::default()
            },
            tags: BTreeMap::from([(TAG.to_owned(), "true".to_owned())]),
            resend_window: None,
            rate: None,
            max_new_devices: 1,
            max_new_devices_per_hour: None,
            unknown: Unknown::Accept,
            keep_requests: KeepRequests::Problems,
            events: None,
            kafka: None,
            calibrated: None,
        }
    }
}

/// Its rule.
pub(crate) fn rule() -> Rule {
    Rule {
        name: RULE.to_owned(),
        metric: METRIC.to_owned(),
        selector: Selector { source: Some(NAME.to_owned()), ..Selector::default() },
        condition: Condition::Above { threshold: 0.5, clear: 0.5 },
        hold: SignedDuration::ZERO,
        severity: Severity::Info,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}
