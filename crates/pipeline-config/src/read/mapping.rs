//! `mapping` of a source: where things are in its JSON.

use std::collections::BTreeMap;

use decoders::{Mapping, MetricMapping};

use crate::fields::Fields;
use crate::report::Report;
use crate::scalar;
use crate::yaml::{Node, Value};

use super::rule;

/// The whole mapping.
pub(crate) fn read(node: &Node, report: &Report) -> Option<Mapping> {
    let fields = Fields::of(node, "Mapping", report)?;
    let one = |key| fields.get(key).and_then(|node| pointer(node, report));
    let many = |key| -> Vec<String> {
        let nodes = fields.get(key).map_or(&[][..], scalar::one_or_many);
        nodes.iter().filter_map(|node| pointer(node, report)).collect()
    };
    let mapping = Mapping {
        items: one("items"),
        device: many("device"),
        channel: one("channel"),
        time: many("time"),
        message_id: one("message_id"),
        metrics: fields.get("metrics").map_or_else(BTreeMap::new, |node| metrics(node, report)),
        missing: fields.get("missing").map_or_else(Vec::new, |node| spellings(node, report)),
    };
    fields.close();
    Some(mapping)
}

fn metrics(node: &Node, report: &Report) -> BTreeMap<String, MetricMapping> {
    let mut metrics = BTreeMap::new();
    for entry in scalar::entries(node, report) {
        if !rule::is_metric(&entry.key) {
            report.mistake(entry.place, rule::METRIC_FORM);
        }
        metrics.extend(metric(&entry.key, &entry.node, report).map(|metric| (entry.key.clone(), metric)));
    }
    metrics
}

/// `/pointer`, or a map with `value`.
fn metric(name: &str, node: &Node, report: &Report) -> Option<MetricMapping> {
    if let Value::Text(_) = node.value {
        return pointer(node, report).map(|value| MetricMapping { value, ..MetricMapping::default() });
    }
    let fields = Fields::of(node, "MetricMapping", report)?;
    let value = fields.require("value").and_then(|node| pointer(node, report));
    let unit = fields.get("unit").and_then(|node| rule::unit(node, name, report));
    let unit_at = fields.get("unit_at").and_then(|node| pointer(node, report));
    let channel = fields.get("channel").and_then(|node| pointer(node, report));
    fields.close();
    Some(MetricMapping { value: value?, unit, unit_at, channel })
}

/// Texts and numbers, as they are spelt.
fn spellings(node: &Node, report: &Report) -> Vec<String> {
    let mut found = Vec::new();
    for item in scalar::one_or_many(node) {
        match &item.value {
            Value::Number(_, spelling) => found.push(spelling.clone()),
            _ => found.extend(scalar::text(item, report).map(str::to_owned)),
        }
    }
    found
}

/// A JSON pointer (RFC 6901), after `^` where it begins at the body's root.
fn pointer(node: &Node, report: &Report) -> Option<String> {
    let text = scalar::text(node, report)?;
    let path = text.strip_prefix('^').unwrap_or(text);
    let escaped = path.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    if path.starts_with('/') && escaped {
        return Some(text.to_owned());
    }
    report.mistake(
        node.place,
        "expected a JSON pointer, such as `/data/temperature` (`~0` is `~`, `~1` is `/`)",
    );
    None
}
