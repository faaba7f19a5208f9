//! A source: one address that payloads of one format come to, one type of events that others put into the Broker, or topics.

use std::collections::BTreeMap;
use std::time::Duration;

use decoders::decode::DEFAULT_MAX_READINGS;
use decoders::mapping::refuse_no_metric;
use decoders::{Decoder, Options, Profile};
use event_model::units;
use serde_json::{Value as Json, json};
use settings::yaml::{Node, Value};
use settings::{
    Choice, Custom, Entries, Fields, List, Named, Object, Parsed, Report, Schema, Shape, Whole, Word, scalar,
    suggest, text_map,
};

use crate::credential::{self, Credential};
use crate::device::Devices;
use crate::site;
use crate::topic::{self, RecordDevice, SourceTopics};

/// The new devices of one payload where the source does not say.
const DEFAULT_MAX_NEW_DEVICES: u32 = 1000;

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
    /// The most devices that one payload may bring which the source has not had before.
    pub max_new_devices: u32,
    /// The most that may be new within an hour; `None`: no bound.
    pub max_new_devices_per_hour: Option<u32>,
    /// What becomes of readings of devices that are not known.
    pub unknown: Unknown,
    /// Whose requests are kept with their receipts.
    pub keep_requests: KeepRequests,
    /// Set where the source is events in the Broker instead of requests from outside.
    pub events: Option<ForeignEvents>,
    /// Set where it is topics that `worker` reads.
    pub kafka: Option<SourceTopics>,
    /// Its devices, where one of them has calibrations or ranges.
    pub calibrated: Option<Devices>,
}

/// Whose requests are kept in the database, to be read again. In topic mode the topic keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepRequests {
    /// Each.
    #[default]
    All,
    /// Those of which something could not be taken.
    Problems,
    /// None but in dead letters.
    None,
}

/// What becomes of readings of a device that has not sent before, and of which nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unknown {
    /// It is a device from now on.
    #[default]
    Accept,
    /// They are held until somebody adopts it.
    Hold,
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

impl Rate {
    /// Requests a minute, at least 1.
    pub fn per_minute(self) -> u64 {
        (u64::from(self.requests) * 60 / self.per.as_secs().max(1)).max(1)
    }
}

impl Source {
    /// Whether `ingest` takes its payloads.
    pub const fn is_webhook(&self) -> bool {
        self.events.is_none() && self.kafka.is_none()
    }

    /// What of a record of its topics names the device, where the source asks that.
    pub fn record_device(&self) -> Option<&RecordDevice> {
        self.kafka.as_ref()?.device.as_ref()
    }

    /// The metrics whose names or units the source states itself.
    pub(crate) fn own_metrics(&self) -> Vec<String> {
        let stated = self.profile.options.metrics().into_iter().map(str::to_owned);
        self.profile.units.keys().cloned().chain(stated).collect()
    }
}

/// A source without its name.
pub(crate) fn shape() -> impl Shape<Value = Source> {
    Object::new("Source", "Where payloads of one format come from.", read)
}

fn read(fields: &Fields<'_>) -> Option<Source> {
    let format = fields.required("format", "The format of its payloads.", FormatName);
    let credentials = fields.optional(
        "credentials",
        "Any one of these lets a request in; two of a kind while a secret is changed over.",
        List(credential::shape()),
    );
    let profile = profile(fields, format);
    let tags = fields.optional("tags", "Tags of every device of the source.", text_map());
    let resend_window = fields.optional(
        "resend_window",
        "How long an equal payload without id and time of its own counts as one re-sent message; the format's \
         default where absent.",
        settings::Duration,
    );
    let rate = fields.optional(
        "rate",
        "The most requests that are taken (`100/s`, `/m` or `/h`); more are answered 429.",
        rate(),
    );
    let max_new_devices = fields.or(
        "max_new_devices",
        "The most devices that one payload may bring which the source has not had before; readings of more become a \
         dead letter. 0 takes no new device.",
        Whole(0, 100_000),
        DEFAULT_MAX_NEW_DEVICES,
    );
    let max_new_devices_per_hour = fields.optional(
        "max_new_devices_per_hour",
        "The most devices that may be new within an hour; no bound where absent.",
        Whole(0, 1_000_000),
    );
    let unknown = fields.or(
        "unknown",
        "What becomes of readings of devices that are not known: accepted, or held until somebody adopts the device.",
        Choice(&[("accept", Unknown::Accept), ("hold", Unknown::Hold)]),
        Unknown::default(),
    );
    let keep_requests = fields.or(
        "keep_requests",
        "Whose requests are kept with their receipts: of all payloads, of those with problems, of none.",
        Choice(&[
            ("all", KeepRequests::All),
            ("problems", KeepRequests::Problems),
            ("none", KeepRequests::None),
        ]),
        KeepRequests::default(),
    );
    let events = Object::new("Events", "Events that others put into the Broker.", events);
    let events = fields.optional(
        "events",
        "The source is events in the Broker instead of requests from outside.",
        events,
    );
    let kafka =
        fields.optional("kafka", "The source is topics instead of requests from outside.", topic::shape());
    let meaningless: [(&str, &str, &[&str]); 2] = [
        ("events", "they come from the Broker", &["credentials", "rate"]),
        ("kafka", "a record counts once by its offset", &["credentials", "rate", "resend_window", "events"]),
    ];
    for (of, why, keys) in meaningless {
        for key in keys.iter().filter(|key| fields.has(of) && fields.has(key)) {
            let text = format!("`{key}` has no meaning for `{of}`: {why}");
            fields.report.mistake(fields.place_of(key), text);
        }
    }
    Some(Source {
        // Without one there is a mistake, and no pipeline; warnings are given all the same.
        format: format.map(|format| format.name().to_owned()).unwrap_or_default(),
        credentials: credentials.unwrap_or_default(),
        profile,
        tags: tags.unwrap_or_default(),
        resend_window,
        rate,
        max_new_devices,
        max_new_devices_per_hour,
        unknown,
        keep_requests,
        events,
        kafka,
        calibrated: None,
    })
}

/// What one source cannot know of the others, and what will hurt.
pub(crate) fn check(sources: &[Named<Source>], report: &Report) {
    for (index, Named { name, place, value }) in sources.iter().enumerate() {
        let format = decoders::by_name(&value.format);
        let writes_local_times = format.is_some_and(Decoder::writes_local_times);
        if writes_local_times && value.profile.time_zone.is_none() {
            let text = format!(
                "source `{name}` has no time_zone: its times are local, and are read as UTC unless they have an offset"
            );
            report.warn(*place, text);
        }
        if let Some(events) = &value.events {
            let before = sources[..index].iter().find(|other| other.value.events.as_ref() == Some(events));
            if let Some(other) = before {
                let text = format!(
                    "source `{}` takes the events of type `{}` already",
                    other.name, events.event_type
                );
                report.mistake(*place, text);
            }
            let text = format!(
                "source `{name}` is events in the Broker, and this class keeps none over a restart: those under way are lost, in every mode"
            );
            report.advise(*place, text);
        }
        for other in &sources[..index] {
            let shared = value.kafka.as_ref().zip(other.value.kafka.as_ref());
            if let Some(topic) = shared.and_then(|(own, other)| own.shared_with(other)) {
                let text = format!(
                    "source `{}` reads the topic `{topic}` with the same group: each record would come to one of the two",
                    other.name
                );
                report.mistake(*place, text);
            }
        }
        if !value.is_webhook() {
            continue;
        }
        if value.credentials.is_empty() {
            report.warn(*place, format!("source `{name}` has no credentials: anyone may send to it"));
        }
        if let Some(impatience) = format.and_then(Decoder::impatience) {
            let text = format!(
                "{impatience}: a payload that comes while ingest starts may be lost; run ingest at min-scale 1"
            );
            report.warn(*place, text);
        }
    }
}

/// The name of a format.
struct FormatName;

impl FormatName {
    fn all() -> Vec<&'static str> {
        decoders::all().iter().map(|format| format.name()).collect()
    }
}

impl Shape for FormatName {
    type Value = &'static dyn Decoder;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        let name = scalar::text(node, report)?;
        let found = decoders::by_name(name);
        if found.is_none() {
            let (known, hint) = (Self::all(), suggest::hint(name, Self::all()));
            let text = format!("no format is named `{name}`{hint}; the formats are: {}", known.join(", "));
            report.mistake(node.place, text);
        }
        found
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": "string", "enum": Self::all()})
    }
}

/// What decoders need to know, but for the source's name.
fn profile(fields: &Fields<'_>, format: Option<&dyn Decoder>) -> Profile {
    let time_zone = fields.optional(
        "time_zone",
        "The IANA time zone of times that carry none; UTC where absent.",
        Parsed::new(|name| site::zone(name).map(|_| name.to_owned())),
    );
    let unit = |metric: &str| {
        let metric = metric.to_owned();
        Parsed::new(move |unit| units::known(unit, &metric))
    };
    let units = fields.optional(
        "units",
        "Units of metrics whose unit the payload does not state.",
        Entries::new(refuse_no_metric, unit),
    );
    let max_readings = fields.or(
        "max_readings",
        "The most readings that one object may hold.",
        Whole(1, decoders::MAX_READINGS as u32),
        u32::try_from(DEFAULT_MAX_READINGS).unwrap_or(u32::MAX),
    );
    Profile {
        source: String::new(),
        time_zone,
        options: options(fields, format),
        units: units.unwrap_or_default(),
        max_readings: max_readings as usize,
    }
}

/// The keys that only some formats have: the source's format reads its own.
fn options(fields: &Fields<'_>, format: Option<&dyn Decoder>) -> Options {
    let keys_of = |format: &dyn Decoder| Fields::keys_of(|fields| format.options(fields));
    let mut takers: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for format in decoders::all() {
        for key in keys_of(*format) {
            takers.entry(key).or_default().push(format!("`{}`", format.name()));
        }
        if fields.is_description() {
            format.options(fields);
        }
    }
    for (key, formats) in &takers {
        fields.remark(key, &format!(" Formats: {}.", formats.join(", ")));
    }
    let own = format.map(keys_of).unwrap_or_default();
    let others: Vec<_> = takers.into_keys().filter(|key| !own.contains(key)).collect();
    fields.refuse(&others, |key| Some(format!("format {} has no use for `{key}`", format?.name())));
    format.map(|format| format.options(fields)).unwrap_or_default()
}

/// A whole number above 0, `/`, and `s`, `m` or `h`.
fn rate() -> impl Shape<Value = Rate> {
    let schema = json!({"type": "string", "pattern": "^[1-9][0-9]*/[smh]$"});
    Custom::new(schema, |node, report| {
        let rate = match &node.value {
            Value::Text(text) => parse_rate(text),
            _ => None,
        };
        if rate.is_none() {
            report.mistake(node.place, "expected a rate like `100/s`, `6000/m` or `10000/h`");
        }
        rate
    })
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/')?;
    let requests: u32 = count.trim().parse().ok().filter(|&count| count > 0)?;
    let per = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Rate { requests, per: Duration::from_secs(per) })
}

/// `events`.
fn events(fields: &Fields<'_>) -> Option<ForeignEvents> {
    let event_type = fields.required("type", "Their CloudEvents `type`.", Word("a CloudEvents type"));
    let is_own = |word: &&String| word.starts_with("dev.freshet.") || word.starts_with("dev.knative.");
    if let Some(word) = event_type.as_ref().filter(is_own) {
        let text = format!("`{word}` is one of the pipeline's own events");
        fields.report.mistake(fields.place_of("type"), text);
    }
    event_type.map(|event_type| ForeignEvents { event_type })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_rate;

    #[test]
    fn a_rate_is_a_count_in_a_time() {
        let rate = parse_rate("100/s").unwrap();
        assert_eq!((rate.requests, rate.per), (100, Duration::from_secs(1)));
        for text in ["0/s", "100", "-1/s", "100/d", "/s", "1.5/s"] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }
}
