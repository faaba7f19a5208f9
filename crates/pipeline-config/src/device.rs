//! A device: what the file knows of it beside what its payloads say.

mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event_model::name::is_printable;
use jiff::SignedDuration;
use settings::yaml::{Node, Value};
use settings::{AnyText, DurationWithin, Fields, Keyed, Named, Object, Place, Report, Schema, Shape};

pub use metrics::{Calibration, DeviceMetric, Range};

use crate::reference;
use metrics::Doubts;

/// The most devices of all files.
const MAX_DEVICES: usize = 100_000;
/// The most labels of one device.
pub const MAX_LABELS: usize = 64;
/// The longest text for people, and the longest name of a label, in characters.
const MAX_TEXT: usize = 200;
/// How often a device may be expected to send.
const EXPECTED: DurationWithin =
    DurationWithin(SignedDuration::from_mins(1), SignedDuration::from_hours(366 * 24));
/// The keys of a device.
const KEYS: [&str; 7] = ["name", "labels", "site", "model", "expected", "calibration", "ranges"];

/// The devices of one source that the file names. Clones share them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Devices(Arc<BTreeMap<String, DeviceEntry>>);

/// One entry of `devices`; what is absent is left to the device's row.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceEntry {
    /// The platform's name of the device, NFC-normalised, with an address as the file spells it.
    pub device: String,
    /// Where it stands.
    pub place: Place,
    /// Its name for people.
    pub name: Option<String>,
    /// Its labels, at most 64.
    pub labels: BTreeMap<String, String>,
    /// Its site, one of the pipeline's `sites`.
    pub site: Option<String>,
    /// What it is.
    pub model: Option<String>,
    /// How often it is expected to send, a minute to 366 days.
    pub expected: Option<SignedDuration>,
    /// Calibration and ranges, by metric in the order of the alphabet; the same on every channel.
    pub metrics: Vec<DeviceMetric>,
    /// The keys that the file has, each with its place.
    keys: Box<[(&'static str, Place)]>,
}

impl Devices {
    /// The device of this name, as rules compare names: an EUI-64 or a MAC address is the same in any case and with any separators.
    pub fn get(&self, device: &str) -> Option<&DeviceEntry> {
        self.0.get(&*rules::compared(device))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &DeviceEntry> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has calibration or ranges.
    pub(crate) fn have_metrics(&self) -> bool {
        self.iter().any(|device| !device.metrics.is_empty())
    }

    /// Those of a source. Two spellings of one address are one device.
    fn of(entries: Vec<Named<DeviceEntry>>, report: &Report) -> Self {
        let mut devices: BTreeMap<String, DeviceEntry> = BTreeMap::new();
        for Named { name, place, value } in entries {
            let key = rules::compared(&name).into_owned();
            if let Some(before) = devices.get(&key) {
                let line = report.line_of(before.place);
                report.mistake(place, format!("`{name}` is in {line} already, as `{}`", before.device));
                continue;
            }
            devices.insert(key, DeviceEntry { device: name, place, ..value });
        }
        Self(Arc::new(devices))
    }
}

impl DeviceEntry {
    /// Where the file says `key` of the device; `None` where it does not.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        self.keys.iter().find(|(own, _)| *own == key).map(|(_, place)| *place)
    }

    /// Calibration and range of a metric, where it has one.
    pub fn metric(&self, metric: &str) -> Option<&DeviceMetric> {
        self.metrics.iter().find(|own| own.metric == metric)
    }
}

/// `devices`, in a file that declares these sources and sites; `own_metrics` are those that a source names itself.
pub(crate) fn shape<'s>(
    sources: &'s BTreeSet<&str>,
    sites: &'s BTreeSet<&str>,
    own_metrics: impl Fn(&str) -> BTreeSet<String> + 's,
) -> impl Shape<Value = BTreeMap<String, Devices>> + 's {
    All(Keyed::new(
        |source: &str| reference::find("source", source, sources),
        move |source: &str| {
            let doubts = Doubts::of(own_metrics(source));
            OfSource(Keyed::new(decoders::device::normalise, move |_: &str| device(sites, doubts.clone())))
        },
    ))
}

/// The devices of all sources.
struct All<S>(S);

impl<S: Shape<Value = Vec<Named<Devices>>>> Shape for All<S> {
    type Value = BTreeMap<String, Devices>;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        let devices = self.0.read(node, report)?;
        if devices.iter().map(|source| source.value.len()).sum::<usize>() > MAX_DEVICES {
            report.mistake(node.place, format!("there are more than {MAX_DEVICES} devices"));
        }
        Some(devices.into_iter().map(|Named { name, value, .. }| (name, value)).collect())
    }

    fn schema(&self, schema: &Schema) -> serde_json::Value {
        self.0.schema(schema)
    }
}

/// The devices of one source.
struct OfSource<S>(S);

impl<S: Shape<Value = Vec<Named<DeviceEntry>>>> Shape for OfSource<S> {
    type Value = Devices;

    fn read(&self, node: &Node, report: &Report) -> Option<Devices> {
        Some(Devices::of(self.0.read(node, report)?, report))
    }

    fn schema(&self, schema: &Schema) -> serde_json::Value {
        self.0.schema(schema)
    }
}

/// A device without its name.
fn device(sites: &BTreeSet<&str>, doubts: Doubts) -> impl Shape<Value = DeviceEntry> {
    Object::new("Device", "What is known of a device beside its payloads.", move |fields: &Fields<'_>| {
        let name = fields.optional("name", "Its name for people.", ShortText);
        let labels = fields.optional("labels", "Its labels.", Keyed::new(label, |_: &str| ShortText));
        let labels = labels.unwrap_or_default();
        if labels.len() > MAX_LABELS {
            let text = format!("a device has at most {MAX_LABELS} labels");
            fields.report.mistake(fields.place_of("labels"), text);
        }
        let site = fields.optional("site", "The site's name.", reference::known("site", sites));
        let model = fields.optional("model", "What it is.", ShortText);
        let expected = fields.optional("expected", "How often it is expected to send.", EXPECTED);
        let metrics = metrics::read(fields, &doubts);
        let said = KEYS.into_iter().filter(|key| fields.has(key));
        Some(DeviceEntry {
            device: String::new(),
            place: fields.place,
            name,
            labels: labels.into_iter().map(|Named { name, value, .. }| (name, value)).collect(),
            site,
            model,
            expected,
            metrics,
            keys: said.map(|key| (key, fields.place_of(key))).collect(),
        })
    })
}

fn is_short(text: &str) -> bool {
    !text.is_empty() && text.chars().take(MAX_TEXT + 1).count() <= MAX_TEXT && text.chars().all(is_printable)
}

/// The name of a label.
fn label(name: &str) -> Result<String, String> {
    let reason = || format!("the name of a label is 1 to {MAX_TEXT} printable characters");
    is_short(name).then(|| name.to_owned()).ok_or_else(reason)
}

/// A text on one line, or a number or flag as it is spelt.
struct ShortText;

impl Shape for ShortText {
    type Value = String;

    fn read(&self, node: &Node, report: &Report) -> Option<String> {
        match &node.value {
            Value::Text(text) if !is_short(text) => {
                report
                    .mistake(node.place, format!("expected a text of 1 to {MAX_TEXT} printable characters"));
                None
            }
            _ => AnyText.read(node, report),
        }
    }

    fn schema(&self, schema: &Schema) -> serde_json::Value {
        AnyText.schema(schema)
    }
}
