//! One entry of `rules`.

use std::collections::BTreeMap;

use decoders::names;
use event_model::alert::IdentityLabels;
use event_model::units;
use jiff::SignedDuration;
use rules::template::PLACEHOLDERS;
use rules::{Condition, Rule, Selector, Template, TemplateError};

use crate::fields::Fields;
use crate::report::Report;
use crate::scalar;
use crate::suggest;
use crate::yaml::{Entry, Node, Value};

use super::reference::{self, Names};
use super::{condition, route};

/// What a metric's name should look like.
pub(crate) const METRIC_FORM: &str =
    "the name of a metric is 1 to 200 characters, such as `soil_moisture` or `weather.temperature`";

/// The entry.
pub(crate) fn read(entry: &Entry, names: &Names<'_>, report: &Report) -> Option<Rule> {
    let name = scalar::name(entry, "rule", report);
    let fields = Fields::of(&entry.node, "Rule", report)?;
    let metric = fields.require("metric").and_then(|node| self::metric(node, report));
    let unit = fields.get("unit").and_then(|node| self::unit(node, metric?, report));
    let condition = condition::read(&fields, metric, unit.as_deref());
    let severity = fields.get("severity").and_then(|node| scalar::choice(node, &route::SEVERITIES, report));
    if let (Some(metric), Some(condition)) = (metric, &condition) {
        warn(&fields, metric, condition, names);
    }
    let rule = Rule {
        name: name.unwrap_or_default().to_owned(),
        metric: metric.unwrap_or_default().to_owned(),
        selector: fields.get("select").and_then(|node| selector(node, names, report)).unwrap_or_default(),
        hold: hold(&fields, condition.as_ref()),
        severity: severity.unwrap_or_default(),
        labels: labels(&fields),
        annotations: annotations(&fields),
        condition: condition?,
    };
    fields.close();
    name.and(metric).map(|_| rule)
}

/// Whether a text can name a metric. Line protocol names it as the sender does, so that nearly anything can.
pub(crate) fn is_metric(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && !name.chars().any(char::is_control)
}

/// A unit that can be converted for this metric.
pub(crate) fn unit(node: &Node, metric: &str, report: &Report) -> Option<String> {
    let unit = scalar::text(node, report)?;
    if units::canonical(0.0, unit, metric).is_some() {
        return Some(unit.to_owned());
    }
    report.mistake(
        node.place,
        format!("no unit is known as `{unit}`: expected a symbol like `Cel`, `%RH`, `hPa`, `m/s`"),
    );
    None
}

fn metric<'a>(node: &'a Node, report: &Report) -> Option<&'a str> {
    let metric = scalar::text(node, report)?;
    if is_metric(metric) {
        return Some(metric);
    }
    report.mistake(node.place, METRIC_FORM);
    None
}

/// Warns of a metric that no reading will have, and of thresholds whose unit nobody knows.
fn warn(fields: &Fields<'_>, metric: &str, condition: &Condition, names: &Names<'_>) {
    if names.metrics.contains(metric) {
        return;
    }
    let stored = names::metric(metric);
    let is_alias = stored != metric && stored != names::snake_case(metric);
    let needs_unit = !matches!(condition, Condition::Absent { .. }) && fields.get("unit").is_none();
    let text = if is_alias {
        format!("what platforms call `{metric}` is stored as `{stored}`")
    } else if needs_unit && names::default_unit(metric).is_none() {
        format!(
            "no unit is known for `{metric}`: its thresholds are compared with the values as they are stored"
        )
    } else {
        return;
    };
    fields.report.warn(fields.place_of("metric"), text);
}

fn selector(node: &Node, names: &Names<'_>, report: &Report) -> Option<Selector> {
    let fields = Fields::of(node, "Selector", report)?;
    let selector = Selector {
        source: fields
            .get("source")
            .and_then(|node| reference::known(node, "source", &names.sources, report)),
        device: fields.get("device").and_then(|node| scalar::glob(node, report)),
        channel: fields.get("channel").and_then(|node| scalar::text(node, report)).map(str::to_owned),
        tags: fields.get("tags").map(|node| scalar::text_map(node, report)).unwrap_or_default(),
    };
    fields.close();
    Some(selector)
}

/// `for`. A silence already has its duration.
fn hold(fields: &Fields<'_>, condition: Option<&Condition>) -> SignedDuration {
    let Some(node) = fields.get("for") else { return SignedDuration::ZERO };
    if matches!(condition, Some(Condition::Absent { .. })) {
        fields.report.mistake(
            fields.place_of("for"),
            "`for` has no meaning with `absent`, which is a duration itself",
        );
    }
    let limit = SignedDuration::from_hours(31 * 24);
    scalar::duration_within(node, SignedDuration::ZERO, limit, fields.report).unwrap_or_default()
}

/// Labels after Prometheus' conventions.
fn labels(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let Some(node) = fields.get("labels") else { return BTreeMap::new() };
    for entry in scalar::entries(node, fields.report) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if IdentityLabels::NAMES.contains(&entry.key.as_str()) {
            fields.report.mistake(entry.place, format!("label `{}` is set by Freshet itself", entry.key));
        } else if !entry.key.chars().all(fits) || entry.key.starts_with(|c: char| c.is_ascii_digit()) {
            fields.report.mistake(
                entry.place,
                "the name of a label is letters, digits and `_`, and begins with no digit",
            );
        }
    }
    scalar::text_map(node, fields.report)
}

/// Annotations, whose placeholders must be known.
fn annotations(fields: &Fields<'_>) -> BTreeMap<String, String> {
    let Some(node) = fields.get("annotations") else { return BTreeMap::new() };
    for entry in scalar::entries(node, fields.report) {
        let Value::Text(template) = &entry.node.value else { continue };
        if let Err(error) = Template::parse(template) {
            let hint = match &error {
                TemplateError::Unknown(name) => suggest::hint(name, PLACEHOLDERS),
                _ => String::new(),
            };
            fields.report.mistake(entry.node.place, format!("{error}{hint}"));
        }
    }
    scalar::text_map(node, fields.report)
}
