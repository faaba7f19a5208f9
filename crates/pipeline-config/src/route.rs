//! Routes: which alerts go to which receivers.

use std::collections::{BTreeMap, BTreeSet};

use event_model::Severity;
use rules::Glob;
use settings::{Fields, Object, OneOrMany, Parsed, Shape, text_map};

use crate::reference;
use crate::rule;

/// One entry of `routes`. Every route that matches is taken, not only the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Route {
    /// Which alerts.
    pub select: RouteSelector,
    /// The receivers' names; at least one.
    pub to: Vec<String>,
}

/// Which alerts a route takes; what is absent selects all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouteSelector {
    /// Any of these severities; empty: all.
    pub severity: Vec<Severity>,
    /// The rule's name.
    pub rule: Option<Glob>,
    /// The source's name.
    pub source: Option<String>,
    /// The device's name.
    pub device: Option<Glob>,
    /// Labels of the rule that must be equal.
    pub labels: BTreeMap<String, String>,
}

/// What a route is asked about.
#[derive(Debug, Clone, Copy)]
pub struct AlertFacts<'a> {
    /// How bad.
    pub severity: Severity,
    /// The rule's name.
    pub rule: &'a str,
    /// The source's name.
    pub source: &'a str,
    /// The device's name.
    pub device: &'a str,
    /// The rule's labels.
    pub labels: &'a BTreeMap<String, String>,
}

impl Route {
    /// Whether this route takes an alert.
    pub fn takes(&self, alert: AlertFacts<'_>) -> bool {
        let select = &self.select;
        (select.severity.is_empty() || select.severity.contains(&alert.severity))
            && select.rule.as_ref().is_none_or(|rule| rule.matches(alert.rule))
            && select.source.as_ref().is_none_or(|source| source == alert.source)
            && select.device.as_ref().is_none_or(|device| device.matches(alert.device))
            && select.labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
    }
}

/// One entry of `routes`, in a file that declares these sources, rules and receivers.
pub(crate) fn shape(
    sources: &BTreeSet<&str>,
    rules: &BTreeSet<&str>,
    receivers: &BTreeSet<&str>,
) -> impl Shape<Value = Route> {
    let text = "Which alerts go to which receivers. Every route that matches is taken, not only the first.";
    Object::new("Route", text, move |fields: &Fields<'_>| {
        let to = fields.required("to", "The receivers' names.", reference::receivers(receivers));
        let text = "Which alerts; what is absent selects all.";
        let select =
            Object::new("RouteSelector", text, |fields: &Fields<'_>| Some(selector(fields, sources, rules)));
        let select = fields.optional("select", "Which alerts; all where absent.", select);
        Some(Route { select: select.unwrap_or_default(), to: to? })
    })
}

fn selector(fields: &Fields<'_>, sources: &BTreeSet<&str>, rules: &BTreeSet<&str>) -> RouteSelector {
    let severity = fields.optional("severity", "Any of these severities.", OneOrMany(rule::severity()));
    let rule = Parsed::new(|name| {
        let glob = rule::parse_glob(name)?;
        let is_pattern = name.contains(['*', '?']);
        if is_pattern { Ok(glob) } else { reference::find("rule", name, rules).map(Glob) }
    });
    RouteSelector {
        severity: severity.unwrap_or_default(),
        rule: fields.optional("rule", "The rule's name, with `*` and `?`.", rule),
        source: fields.optional("source", "The source's name.", reference::known("source", sources)),
        device: fields.optional("device", "The device's name, with `*` and `?`.", rule::glob()),
        labels: fields
            .optional("labels", "Labels of the rule that must be equal.", text_map())
            .unwrap_or_default(),
    }
}
