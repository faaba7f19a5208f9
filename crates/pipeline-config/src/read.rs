//! From the tree to the pipeline: one file a section.

mod condition;
mod credential;
mod mapping;
mod network;
mod receiver;
mod reference;
mod route;
mod rule;
mod secret;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::fields::Fields;
use crate::network::Network;
use crate::pipeline::{DEFAULT_LATENESS, DEFAULT_TICK, Emit, Pipeline};
use crate::report::Report;
use crate::route::{Route, RouteSelector};
use crate::scalar;
use crate::yaml::{Node, Place};

use reference::Names;

/// Reads the whole file. Where mistakes were noted the result is of no use.
pub(crate) fn pipeline(root: &Node, report: &Report) -> Option<Pipeline> {
    let fields = Fields::of(root, "Pipeline", report)?;
    let mut names = Names {
        sources: reference::declared(fields.get("sources")),
        rules: reference::declared(fields.get("rules")),
        receivers: reference::declared(fields.get("receivers")),
        metrics: BTreeSet::new(),
    };
    let network = fields.get("network").map_or_else(Network::default, |node| network::read(node, report));
    let mut sources = BTreeMap::new();
    for entry in fields.require("sources").map_or(&[][..], |node| scalar::entries(node, report)) {
        let Some(source) = source::read(entry, report) else { continue };
        source::refuse_taken_type(entry, &source, &sources, report);
        sources.insert(entry.key.clone(), source);
    }
    names.metrics = sources.values().flat_map(source::own_metrics).collect();
    let mut rules = Vec::new();
    for entry in fields.get("rules").map_or(&[][..], |node| scalar::entries(node, report)) {
        rules.extend(rule::read(entry, &names, report));
    }
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    let mut receivers = BTreeMap::new();
    for entry in fields.get("receivers").map_or(&[][..], |node| scalar::entries(node, report)) {
        receivers
            .extend(receiver::read(entry, &network, report).map(|receiver| (entry.key.clone(), receiver)));
    }
    let fallback =
        fields.get("fallback").map_or_else(Vec::new, |node| reference::receivers(node, &names, report));
    let routes = match fields.get("routes") {
        Some(node) => route::read(node, &names, report),
        None => route_to_all(&receivers, &fallback),
    };
    let pipeline = Pipeline {
        lateness: window(&fields, "lateness", DEFAULT_LATENESS),
        tick: window(&fields, "tick", DEFAULT_TICK),
        emit: emit(&fields),
        sources,
        rules,
        receivers,
        routes,
        fallback,
        network,
        hash: String::new(),
        warnings: Vec::new(),
    };
    warn_of_silence(&pipeline, &fields);
    fields.close();
    Some(pipeline)
}

/// `lateness` and `tick`: from a second, so that tests and demos can be quick, to a day.
fn window(fields: &Fields<'_>, key: &'static str, default: SignedDuration) -> SignedDuration {
    let (low, high) = (SignedDuration::from_secs(1), SignedDuration::from_hours(24));
    fields
        .get(key)
        .and_then(|node| scalar::duration_within(node, low, high, fields.report))
        .unwrap_or(default)
}

fn emit(fields: &Fields<'_>) -> Emit {
    let choices = [("always", Emit::Always), ("never", Emit::Never)];
    fields.get("emit").and_then(|node| scalar::choice(node, &choices, fields.report)).unwrap_or_default()
}

/// Without `routes` every alert goes to every receiver that is no fallback.
fn route_to_all<C>(receivers: &BTreeMap<String, C>, fallback: &[String]) -> Vec<Route> {
    let to: Vec<_> = receivers.keys().filter(|name| !fallback.contains(name)).cloned().collect();
    if to.is_empty() { Vec::new() } else { vec![Route { select: RouteSelector::default(), to }] }
}

/// Warns of receivers that nothing uses, and of alerts that nobody is told of.
fn warn_of_silence(pipeline: &Pipeline, fields: &Fields<'_>) {
    for entry in fields.get("receivers").map_or(&[][..], |node| match &node.value {
        crate::yaml::Value::Map(entries) => entries,
        _ => &[],
    }) {
        let used = |names: &[String]| names.contains(&entry.key);
        if !used(&pipeline.fallback) && !pipeline.routes.iter().any(|route| used(&route.to)) {
            fields.report.warn(entry.place, format!("receiver `{}` is used by no route", entry.key));
        }
    }
    let place: Place = fields.place_of("rules");
    if !pipeline.rules.is_empty() && pipeline.routes.is_empty() && pipeline.fallback.is_empty() {
        fields.report.warn(place, "there are rules but no receiver: alerts are recorded, and nobody is told");
    }
}
