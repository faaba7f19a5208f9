//! The labels of an alert.

use std::collections::BTreeMap;

use event_model::alert::IdentityLabels;

use crate::rule::Rule;
use crate::series::Series;

/// The labels of the alert of `rule` on `series`.
pub fn labels(rule: &Rule, series: &Series) -> BTreeMap<String, String> {
    let identity = IdentityLabels {
        rule: &rule.name,
        severity: rule.severity,
        source: &series.source,
        device: &series.device,
        channel: &series.channel,
        metric: &series.metric,
    };
    identity.beside(&rule.labels)
}
