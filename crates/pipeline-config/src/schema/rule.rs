//! The shape of `rules` and `routes`.

use std::collections::BTreeMap;

use event_model::Severity;
use schemars::JsonSchema;
use serde_json::json;

use super::{Duration, OneOrMany, Scalar};

/// When readings are an alert; exactly one of `above`, `below`, `outside`, `rate_of_change` and `absent`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = json!([
    {"required": ["above"]}, {"required": ["below"]}, {"required": ["outside"]},
    {"required": ["rate_of_change"]}, {"required": ["absent"]}
])))]
pub(super) struct Rule {
    /// The metric that it watches.
    #[schemars(length(min = 1, max = 200))]
    metric: String,
    /// The alert begins at a value above this.
    above: Option<f64>,
    /// The alert begins at a value below this.
    below: Option<f64>,
    /// The alert begins at a value outside `[low, high]`.
    outside: Option<[f64; 2]>,
    /// The alert begins where the value changes faster than this.
    rate_of_change: Option<RateOfChange>,
    /// The alert begins where no reading came for this long.
    absent: Option<Duration>,
    /// Where the alert ends: a number, or `[low, high]` with `outside`; the threshold itself where absent.
    clear: Option<Clear>,
    /// The unit of the thresholds; the metric's canonical unit where absent.
    unit: Option<String>,
    /// How long, by the readings' own time, it must last before anybody is told; `0s` where absent.
    r#for: Option<Duration>,
    /// How bad it is; `warning` where absent.
    severity: Option<Severity>,
    /// Which series of the metric; all where absent.
    select: Option<Selector>,
    /// Labels of every alert of the rule.
    labels: Option<BTreeMap<String, Scalar>>,
    /// Texts for people, with placeholders such as `{device}` and `{value}`.
    annotations: Option<BTreeMap<String, Scalar>>,
}

/// A rate of change.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RateOfChange {
    /// The change in `per`, above 0.
    #[schemars(extend("exclusiveMinimum" = 0))]
    above: f64,
    /// The time that the change is scaled to.
    per: Duration,
    /// Which direction counts; `either` where absent.
    #[schemars(extend("enum" = ["either", "rising", "falling"]))]
    direction: Option<String>,
}

/// Where an alert ends.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Clear {
    /// One threshold.
    Value(f64),
    /// The range within which it ends.
    Range([f64; 2]),
}

/// Which series; what is absent selects all.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Selector {
    /// The source's name.
    source: Option<String>,
    /// The device's name, with `*` and `?`.
    device: Option<String>,
    /// The channel's name.
    channel: Option<String>,
    /// Tags of source or device that must be equal.
    tags: Option<BTreeMap<String, Scalar>>,
}

/// Which alerts go to which receivers. Every route that matches is taken, not only the first.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Route {
    /// The receivers' names.
    #[schemars(length(min = 1))]
    to: Vec<String>,
    /// Which alerts; all where absent.
    select: Option<RouteSelector>,
}

/// Which alerts; what is absent selects all.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RouteSelector {
    /// Any of these severities.
    severity: Option<OneOrMany<Severity>>,
    /// The rule's name, with `*` and `?`.
    rule: Option<String>,
    /// The source's name.
    source: Option<String>,
    /// The device's name, with `*` and `?`.
    device: Option<String>,
    /// Labels of the rule that must be equal.
    labels: Option<BTreeMap<String, Scalar>>,
}
