//! `rollups` and `names`: how readings are summed up over hours and days.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use event_model::{Aggregate, units};
use jiff::SignedDuration;
use settings::{Choice, DurationWithin, Fields, Keyed, Named, Object, Shape};

use crate::rule;

/// The gap where no file names one: two hours, so that a device that sends once an hour, a little late, leaves none.
pub const DEFAULT_GAP: SignedDuration = SignedDuration::from_hours(2);
/// What a gap may be.
const GAP: DurationWithin = DurationWithin(SignedDuration::from_secs(1), SignedDuration::from_hours(31 * 24));
/// The most entries of `names`.
const MAX_NAMES: usize = 10_000;

static AGGREGATES: LazyLock<Vec<(&str, Aggregate)>> =
    LazyLock::new(|| Aggregate::ALL.iter().map(|aggregate| (aggregate.as_str(), *aggregate)).collect());

/// `rollups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollups {
    /// Two values of a series that are further apart than this have a gap between them, of which nothing is known.
    pub gap: SignedDuration,
}

impl Default for Rollups {
    fn default() -> Self {
        Self { gap: DEFAULT_GAP }
    }
}

/// One entry of `names`: what the file says of a metric. What is absent is as without the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricEntry {
    /// How its values are aggregated.
    pub aggregate: Option<Aggregate>,
    /// Its gap.
    pub gap: Option<SignedDuration>,
}

/// `rollups`.
pub(crate) fn rollups(fields: &Fields<'_>) -> Rollups {
    let text = "How readings are summed up over hours and days.";
    let read = |fields: &Fields<'_>| {
        let text = "Two readings of a series that are further apart have a gap between them, of which nothing is known; a second to 31 days.";
        Some(Rollups { gap: fields.or("gap", text, GAP, DEFAULT_GAP) })
    };
    fields.optional("rollups", text, Object::new("Rollups", text, read)).unwrap_or_default()
}

/// `names`; `own_metrics` are those that sources name themselves.
pub(crate) fn names(fields: &Fields<'_>, own_metrics: &BTreeSet<String>) -> BTreeMap<String, MetricEntry> {
    let text = "How readings of single metrics are summed up, by the name under which a metric is stored.";
    let names = fields.optional("names", text, Keyed::new(units::metric_name, |_: &str| entry()));
    let names = names.unwrap_or_default();
    if names.len() > MAX_NAMES {
        let text = format!("there are more than {MAX_NAMES} names");
        fields.report.mistake(fields.place_of("names"), text);
    }
    for Named { name, place, .. } in &names {
        if let Some(text) = rule::stored_name(name).filter(|_| !own_metrics.contains(name)) {
            fields.report.warn(*place, text);
        }
    }
    names.into_iter().map(|Named { name, value, .. }| (name, value)).collect()
}

fn entry() -> impl Shape<Value = MetricEntry> {
    Object::new("Metric", "How readings of a metric are summed up.", |fields: &Fields<'_>| {
        let text = "How the values of an hour or a day become one; as the metric's usual one where absent.";
        let aggregate = fields.optional("aggregate", text, Choice(&AGGREGATES));
        let gap = fields.optional("gap", "Its gap; that of `rollups` where absent.", GAP);
        if !fields.has("aggregate") && !fields.has("gap") {
            fields.report.mistake(fields.place, "`aggregate` or `gap` is missing");
        }
        Some(MetricEntry { aggregate, gap })
    })
}
