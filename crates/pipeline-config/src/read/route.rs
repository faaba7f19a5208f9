//! `routes`: which alerts go where.

use event_model::Severity;
use rules::Glob;

use crate::fields::Fields;
use crate::report::Report;
use crate::route::{Route, RouteSelector};
use crate::scalar;
use crate::yaml::Node;

use super::reference::{self, Names};

/// The severities as the file writes them.
pub(crate) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// The section.
pub(crate) fn read(node: &Node, names: &Names<'_>, report: &Report) -> Vec<Route> {
    scalar::list(node, report).iter().filter_map(|item| route(item, names, report)).collect()
}

fn route(node: &Node, names: &Names<'_>, report: &Report) -> Option<Route> {
    let fields = Fields::of(node, "Route", report)?;
    let to = fields.require("to").map_or_else(Vec::new, |node| reference::receivers(node, names, report));
    let select = fields.get("select").and_then(|node| selector(node, names, report)).unwrap_or_default();
    fields.close();
    Some(Route { select, to })
}

fn selector(node: &Node, names: &Names<'_>, report: &Report) -> Option<RouteSelector> {
    let fields = Fields::of(node, "RouteSelector", report)?;
    let severity = fields.get("severity").map_or(&[][..], scalar::one_or_many);
    let selector = RouteSelector {
        severity: severity.iter().filter_map(|node| scalar::choice(node, &SEVERITIES, report)).collect(),
        rule: fields.get("rule").and_then(|node| rule(node, names, report)),
        source: fields
            .get("source")
            .and_then(|node| reference::known(node, "source", &names.sources, report)),
        device: fields.get("device").and_then(|node| scalar::glob(node, report)),
        labels: fields.get("labels").map(|node| scalar::text_map(node, report)).unwrap_or_default(),
    };
    fields.close();
    Some(selector)
}

/// A rule's name, or a pattern of such.
fn rule(node: &Node, names: &Names<'_>, report: &Report) -> Option<Glob> {
    let glob = scalar::glob(node, report)?;
    if glob.0.contains(['*', '?']) {
        return Some(glob);
    }
    reference::known(node, "rule", &names.rules, report).map(Glob)
}
