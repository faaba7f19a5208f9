//! The labels of an alert, after Prometheus' conventions, so that it can go to an Alertmanager unchanged.

use std::collections::BTreeMap;

use crate::rule::Rule;
use crate::series::Series;

/// The labels that every alert has; a rule's own labels must not be named so.
pub const RESERVED: [&str; 6] = ["alertname", "severity", "source", "device", "channel", "metric"];

/// The labels of the alert of `rule` on `series`. Empty ones are left out: in Prometheus an empty label is an absent one.
pub fn labels(rule: &Rule, series: &Series) -> BTreeMap<String, String> {
    let own = [
        ("alertname", rule.name.as_str()),
        ("severity", rule.severity.as_str()),
        ("source", &series.source),
        ("device", &series.device),
        ("channel", &series.channel),
        ("metric", &series.metric),
    ];
    let mut labels = rule.labels.clone();
    labels.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// The identity of an alert, the same as long as the rule keeps its name: what orders its notifications.
pub fn alert_key(rule: &str, stream: i32, position: i16) -> String {
    format!("{rule}/{stream}/{position}")
}
