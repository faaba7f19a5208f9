//! One entry of `rules`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use decoders::names;
use event_model::alert::IdentityLabels;
use event_model::{Severity, units};
use rules::template::PLACEHOLDERS;
use rules::{Condition, Glob, Rule, Selector, Template, TemplateError, keys};
use serde_json::json;
use settings::yaml::{Entry, Node, Value};
use settings::{
    AnyText, Choice, Custom, Entries, Fields, Object, Parsed, Report, Shape, Text, refuse_unnamed, suggest,
    text_map,
};

use crate::reference;

static SEVERITIES: LazyLock<Vec<(&str, Severity)>> =
    LazyLock::new(|| Severity::ALL.iter().map(|severity| (severity.as_str(), *severity)).collect());

/// A rule without its name, in a file that declares these sources; `own_metrics` are those that a source names itself.
pub(crate) fn shape(sources: &BTreeSet<&str>, own_metrics: &BTreeSet<String>) -> impl Shape<Value = Rule> {
    let text = "When readings are an alert; exactly one of `above`, `below`, `outside`, `rate_of_change` and `absent`.";
    Object::new("Rule", text, move |fields: &Fields<'_>| {
        let metric = Parsed::like("^.{1,200}$", units::metric_name);
        let metric = fields.required("metric", "The metric that it watches.", metric);
        let condition = keys::condition(fields, metric.as_deref().unwrap_or_default());
        if let (Some(metric), Some((condition, _))) = (&metric, &condition) {
            warn(fields, metric, condition, own_metrics);
        }
        let severity = fields.or("severity", "How bad it is.", severity(), Severity::default());
        let select =
            fields.optional("select", "Which series of the metric; all where absent.", selector(sources));
        let labels = Entries::new(refuse_reserved, |_| AnyText);
        let labels = fields.optional("labels", "Labels of every alert of the rule.", labels);
        let annotations = fields.optional(
            "annotations",
            "Texts for people, with placeholders such as `{device}` and `{value}`.",
            Entries::new(refuse_unnamed, |_| {
                Custom::new(json!({"type": ["string", "number", "boolean"]}), template)
            }),
        );
        let (condition, hold) = condition?;
        Some(Rule {
            name: String::new(),
            metric: metric?,
            selector: select.unwrap_or_default(),
            condition,
            hold,
            severity,
            labels: labels.unwrap_or_default(),
            annotations: annotations.unwrap_or_default(),
        })
    })
}

/// A severity.
pub(crate) fn severity() -> Choice<'static, Severity> {
    Choice(&SEVERITIES)
}

/// A pattern of `*` and `?`.
pub(crate) fn glob() -> impl Shape<Value = Glob> {
    Parsed::new(parse_glob)
}

/// The pattern, or the mistake in it.
pub(crate) fn parse_glob(pattern: &str) -> Result<Glob, String> {
    match pattern.chars().find(|c| "[]{}\\".contains(*c)) {
        Some(other) => Err(format!(
            "`{other}` has no meaning in a pattern: `*` stands for any run of characters, `?` for any one"
        )),
        None => Ok(Glob(pattern.to_owned())),
    }
}

/// Warns of a metric that no reading will have, and of thresholds whose unit is not known.
fn warn(fields: &Fields<'_>, metric: &str, condition: &Condition, own_metrics: &BTreeSet<String>) {
    if own_metrics.contains(metric) {
        return;
    }
    let needs_unit = !matches!(condition, Condition::Absent { .. }) && !fields.has("unit");
    let text = if let Some(text) = stored_name(metric) {
        text
    } else if needs_unit && names::default_unit(metric).is_none() {
        format!(
            "no unit is known for `{metric}`: its thresholds are compared with the values as they are stored"
        )
    } else {
        return;
    };
    fields.report.warn(fields.place_of("metric"), text);
}

/// What to say of a metric that is a platform's name of another one.
pub(crate) fn stored_name(metric: &str) -> Option<String> {
    let stored = names::metric(metric);
    let is_alias = stored != metric && stored != names::snake_case(metric);
    is_alias.then(|| format!("what platforms call `{metric}` is stored as `{stored}`"))
}

fn selector(sources: &BTreeSet<&str>) -> impl Shape<Value = Selector> {
    Object::new("Selector", "Which series; what is absent selects all.", |fields: &Fields<'_>| {
        let tags = fields.optional("tags", "Tags of source or device that must be equal.", text_map());
        Some(Selector {
            source: fields.optional("source", "The source's name.", reference::known("source", sources)),
            device: fields.optional("device", "The device's name, with `*` and `?`.", glob()),
            channel: fields.optional("channel", "The channel's name.", Text),
            tags: tags.unwrap_or_default(),
        })
    })
}

/// Labels are named after Prometheus' conventions.
fn refuse_reserved(entry: &Entry, report: &Report) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if IdentityLabels::NAMES.contains(&entry.key.as_str()) {
        report.mistake(entry.place, format!("label `{}` is set by Freshet itself", entry.key));
    } else if !entry.key.chars().all(fits) || entry.key.starts_with(|c: char| c.is_ascii_digit()) {
        report
            .mistake(entry.place, "the name of a label is letters, digits and `_`, and begins with no digit");
    } else {
        refuse_unnamed(entry, report);
    }
}

/// An annotation, whose placeholders must be known.
fn template(node: &Node, report: &Report) -> Option<String> {
    let Value::Text(template) = &node.value else { return AnyText.read(node, report) };
    if let Err(error) = Template::parse(template) {
        let hint = match &error {
            TemplateError::Unknown(name) => suggest::hint(name, PLACEHOLDERS),
            _ => String::new(),
        };
        report.mistake(node.place, format!("{error}{hint}"));
    }
    AnyText.read(node, report)
}
