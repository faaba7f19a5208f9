//! One entry of `sources`.

use std::collections::BTreeMap;

use decoders::Profile;

use crate::duration;
use crate::fields::Fields;
use crate::platform;
use crate::report::Report;
use crate::scalar;
use crate::source::{ForeignEvents, Rate, Source};
use crate::suggest;
use crate::yaml::{Entry, Node, Value};

use super::{credential, mapping, rule};

/// The entry.
pub(crate) fn read(entry: &Entry, report: &Report) -> Option<Source> {
    let name = scalar::name(entry, "source", report);
    let fields = Fields::of(&entry.node, "Source", report)?;
    let format = fields.require("format").and_then(|node| format(node, report));
    let source = Source {
        format: format.unwrap_or_default().to_owned(),
        credentials: credentials(&fields),
        profile: profile(entry, format, &fields),
        tags: fields.get("tags").map(|node| scalar::text_map(node, report)).unwrap_or_default(),
        resend_window: fields.get("resend_window").and_then(|node| scalar::duration(node, report)),
        rate: fields.get("rate").and_then(|node| rate(node, report)),
        events: fields.get("events").and_then(|node| events(node, report)),
    };
    refuse_webhook_keys(&source, &fields);
    warn(entry, &source, report);
    fields.close();
    name.and(format).map(|_| source)
}

/// An event of a type goes to one source only.
pub(crate) fn refuse_taken_type(
    entry: &Entry,
    source: &Source,
    others: &BTreeMap<String, Source>,
    report: &Report,
) {
    let Some(events) = &source.events else { return };
    if let Some((other, _)) = others.iter().find(|(_, other)| other.events.as_ref() == Some(events)) {
        report.mistake(
            entry.place,
            format!("source `{other}` takes the events of type `{}` already", events.event_type),
        );
    }
}

/// The metrics whose names or units the source states itself.
pub(crate) fn own_metrics(source: &Source) -> Vec<String> {
    let mapped = source.profile.mapping.iter().flat_map(|mapping| mapping.metrics.keys());
    source.profile.units.keys().chain(mapped).cloned().collect()
}

fn format(node: &Node, report: &Report) -> Option<&'static str> {
    let name = scalar::text(node, report)?;
    let known = platform::formats();
    if let Some(format) = known.iter().find(|known| **known == name) {
        return Some(format);
    }
    let hint = suggest::hint(name, known.iter().copied());
    report.mistake(
        node.place,
        format!("no format is named `{name}`{hint}; the formats are: {}", known.join(", ")),
    );
    None
}

fn credentials(fields: &Fields<'_>) -> Vec<crate::Credential> {
    let items = fields.get("credentials").map_or(&[][..], |node| scalar::list(node, fields.report));
    items.iter().filter_map(|node| credential::read(node, fields.report)).collect()
}

fn profile(entry: &Entry, format: Option<&'static str>, fields: &Fields<'_>) -> Profile {
    let report = fields.report;
    let mapping = fields.get("mapping").and_then(|node| mapping::read(node, report));
    for (key, takes) in [
        ("mapping", platform::takes_mapping as fn(&str) -> bool),
        ("device_tags", platform::has_tags),
        ("channel_tags", platform::has_tags),
    ] {
        if let (Some(format), Some(_)) = (format.filter(|format| !takes(format)), fields.get(key)) {
            report.mistake(fields.place_of(key), format!("format {format} has no use for `{key}`"));
        }
    }
    Profile {
        source: entry.key.clone(),
        time_zone: fields.get("time_zone").and_then(|node| time_zone(node, report)),
        mapping,
        device_tags: texts("device_tags", fields),
        channel_tags: texts("channel_tags", fields),
        units: fields.get("units").map_or_else(BTreeMap::new, |node| units(node, report)),
        max_readings: fields
            .get("max_readings")
            .and_then(|node| scalar::whole(node, 1, 100_000, report))
            .map_or(0, |count| count as usize),
    }
}

fn texts(key: &'static str, fields: &Fields<'_>) -> Vec<String> {
    let list = fields.get(key).map_or(&[][..], |node| scalar::list(node, fields.report));
    list.iter().filter_map(|node| scalar::text(node, fields.report).map(str::to_owned)).collect()
}

fn time_zone(node: &Node, report: &Report) -> Option<String> {
    let name = scalar::text(node, report)?;
    if jiff::tz::TimeZone::get(name).is_ok() {
        return Some(name.to_owned());
    }
    report
        .mistake(node.place, format!("no time zone is named `{name}`: expected a name like `Europe/Berlin`"));
    None
}

/// Units of metrics whose unit the payload does not state.
fn units(node: &Node, report: &Report) -> BTreeMap<String, String> {
    let mut units = BTreeMap::new();
    for entry in scalar::entries(node, report) {
        if !rule::is_metric(&entry.key) {
            report.mistake(entry.place, rule::METRIC_FORM);
        }
        units.extend(rule::unit(&entry.node, &entry.key, report).map(|unit| (entry.key.clone(), unit)));
    }
    units
}

fn rate(node: &Node, report: &Report) -> Option<Rate> {
    let rate = match &node.value {
        Value::Text(text) => duration::parse_rate(text),
        _ => None,
    };
    if rate.is_none() {
        report.mistake(node.place, format!("expected {}", duration::RATE_FORM));
    }
    rate
}

fn events(node: &Node, report: &Report) -> Option<ForeignEvents> {
    let fields = Fields::of(node, "Events", report)?;
    let event_type = fields.require("type").and_then(|node| scalar::word(node, "a CloudEvents type", report));
    if let Some(word) =
        event_type.filter(|word| word.starts_with("dev.freshet.") || word.starts_with("dev.knative."))
    {
        report.mistake(fields.place_of("type"), format!("`{word}` is one of the pipeline's own events"));
    }
    fields.close();
    event_type.map(|event_type| ForeignEvents { event_type: event_type.to_owned() })
}

/// Events come through the Broker, so nothing is posted that could show a credential or be too frequent.
fn refuse_webhook_keys(source: &Source, fields: &Fields<'_>) {
    for key in ["credentials", "rate"] {
        if source.events.is_some() && fields.get(key).is_some() {
            fields.report.mistake(
                fields.place_of(key),
                format!("`{key}` has no meaning for `events`: they come from the Broker"),
            );
        }
    }
}

fn warn(entry: &Entry, source: &Source, report: &Report) {
    if source.events.is_some() {
        return;
    }
    if !matches!(&entry.node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "credentials"))
    {
        report.warn(entry.place, format!("source `{}` has no credentials: anyone may send to it", entry.key));
    }
    if let Some(impatience) = platform::impatience(&source.format) {
        report.warn(
            entry.place,
            format!("{impatience}: a payload that comes while ingest starts may be lost; run ingest at min-scale 1"),
        );
    }
}
