//! A field mapping for JSON payloads: where device, channel, time and metrics are, as JSON pointers (RFC 6901).

use std::collections::BTreeMap;

use event_model::{Name, cloudevent, units};
use serde_json::{Value as Json, json};
use settings::yaml::{Entry, Node, Value};
use settings::{AnyText, Entries, Fields, Object, OneOrMany, Parsed, Report, Schema, Shape};

use crate::decode::Profile;
use crate::options::{FormatOptions, Options};

/// How the readings of a JSON payload are found. What is absent falls to the format's documented default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mapping {
    /// The array whose elements are items of their own (`/readings`); the pointers below are relative to an item.
    /// `None`: the whole body is one item, or each element where the body is an array.
    pub items: Option<String>,
    /// The device's name; the first pointer that is present wins. A pointer that begins with `^/` starts at the body's root.
    pub device: Vec<String>,
    /// The channel.
    pub channel: Option<String>,
    /// The time of measurement; the first pointer that is present wins.
    pub time: Vec<String>,
    /// The platform's message id.
    pub message_id: Option<String>,
    /// The metrics by canonical name; empty takes every number, flag and text that is not named above.
    pub metrics: BTreeMap<Name, MetricMapping>,
    /// Spellings of "no value" beside the usual ones (`NA`, `-999`).
    pub missing: Vec<String>,
    /// Binary data of a CloudEvent whose producer states no content type is JSON.
    pub untyped_is_json: bool,
}

/// Where one metric is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricMapping {
    /// The value; an array gives one channel per index.
    pub value: String,
    /// The unit as the platform writes it (`Far`, `°F`, `mph`).
    pub unit: Option<String>,
    /// Where the payload states the unit; wins over `unit`.
    pub unit_at: Option<String>,
    /// A channel for this metric only; wins over the mapping's.
    pub channel: Option<String>,
}

impl Mapping {
    /// The source's mapping; `None`: the format's default.
    pub fn of(profile: &Profile) -> Option<&Self> {
        profile.options.get()
    }

    /// Whether a metric is an item as a whole: a bare number.
    pub fn takes_all(&self) -> bool {
        self.metrics.values().any(|metric| metric.value.is_empty())
    }

    /// `mapping`, the option of every format that is JSON of any shape.
    pub fn options(fields: &Fields<'_>) -> Options {
        let mapping = fields.optional("mapping", "Where things are in the JSON.", shape());
        mapping.map(Options::new).unwrap_or_default()
    }
}

impl FormatOptions for Mapping {
    fn metrics(&self) -> Vec<&str> {
        self.metrics.keys().map(Name::as_str).collect()
    }
}

/// The whole mapping.
fn shape() -> impl Shape<Value = Mapping> {
    Object::new("Mapping", "Where things are in the JSON.", |fields: &Fields<'_>| {
        let metrics = fields.optional(
            "metrics",
            "The metrics by name; every number, flag and text that is not named above where absent.",
            Entries::new(refuse_no_metric, |metric| Metric(metric.to_owned())),
        );
        let device = "The device's name; the first that is present wins.";
        let time = "The time of measurement; the first that is present wins.";
        let missing = fields.optional("missing", "Spellings of \"no value\".", OneOrMany(AnyText));
        let untyped = "The content type of a CloudEvent's binary data whose producer states none.";
        Some(Mapping {
            items: fields.optional("items", "The array whose elements are items of their own.", pointer()),
            device: fields.optional("device", device, OneOrMany(pointer())).unwrap_or_default(),
            channel: fields.optional("channel", "The channel.", pointer()),
            time: fields.optional("time", time, OneOrMany(pointer())).unwrap_or_default(),
            message_id: fields.optional("message_id", "The platform's message id.", pointer()),
            metrics: metrics.into_iter().flatten().map(|(name, metric)| (name.into(), metric)).collect(),
            missing: missing.unwrap_or_default(),
            untyped_is_json: fields.optional("content_type", untyped, json_type()).is_some(),
        })
    })
}

/// Notes a name that names no metric.
pub fn refuse_no_metric(entry: &Entry, report: &Report) {
    if let Err(error) = units::metric_name(&entry.key) {
        report.mistake(entry.place, error.to_string());
    }
}

/// The metric of this name: `/pointer`, or a map with `value`.
struct Metric(String);

impl Metric {
    fn full(&self) -> impl Shape<Value = MetricMapping> {
        Object::new("MetricMapping", "Where a metric is, and its unit.", |fields: &Fields<'_>| {
            let value =
                fields.required("value", "The value; an array gives one channel per index.", pointer());
            let unit = Parsed::new(|unit| units::known(unit, &self.0));
            let unit = fields.optional("unit", "The unit as the platform writes it.", unit);
            let unit_at =
                fields.optional("unit_at", "Where the payload states the unit; wins over `unit`.", pointer());
            let channel = fields.optional("channel", "A channel for this metric only.", pointer());
            Some(MetricMapping { value: value?, unit, unit_at, channel })
        })
    }
}

impl Shape for Metric {
    type Value = MetricMapping;

    fn read(&self, node: &Node, report: &Report) -> Option<MetricMapping> {
        if let Value::Text(_) = node.value {
            let value = pointer().read(node, report);
            return value.map(|value| MetricMapping { value, ..MetricMapping::default() });
        }
        self.full().read(node, report)
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"anyOf": [pointer().schema(schema), self.full().schema(schema)]})
    }
}

/// A content type that says JSON.
fn json_type() -> impl Shape<Value = String> {
    Parsed::new(|text| {
        if cloudevent::is_json(text) {
            return Ok(text.to_owned());
        }
        Err("expected a content type of JSON, such as `application/json`")
    })
}

/// A JSON pointer (RFC 6901); after `^` it begins at the body's root instead of the item's. The empty one is all of it.
fn pointer() -> impl Shape<Value = String> {
    Parsed::like(r"^\^?(/([^~]|~[01])*)?$", |text| {
        let path = text.strip_prefix('^').unwrap_or(text);
        let escaped = path.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if (path.is_empty() || path.starts_with('/')) && escaped {
            return Ok(text.to_owned());
        }
        Err("expected a JSON pointer, such as `/data/temperature` (`~0` is `~`, `~1` is `/`)")
    })
}
