//! Routes: which alerts go to which receivers.

use std::collections::BTreeMap;

use event_model::Severity;
use rules::Glob;

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
