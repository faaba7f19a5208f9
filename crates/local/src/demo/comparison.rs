//! What the burst must have left in the database beside what it has left.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use store::sums::{Sums, TransitionInForce};

use super::fleet::{ExpectedTransition, Fate, Fleet};

/// One sum, planned and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// What is counted.
    pub what: String,
    /// What must be.
    pub planned: String,
    /// What is.
    pub found: String,
}

impl Comparison {
    fn new(what: impl Into<String>, planned: &dyn ToString, found: &dyn ToString) -> Self {
        Self { what: what.into(), planned: planned.to_string(), found: found.to_string() }
    }

    /// Whether plan and database agree.
    pub fn agrees(&self) -> bool {
        self.planned == self.found
    }
}

/// Compares `fleet` with what was found since it was sent, and the messages of its receiver with the notifications.
pub fn compare(fleet: &Fleet, found: &Sums, received: usize) -> Vec<Comparison> {
    let mut comparisons = readings(fleet, found.readings.clone());
    comparisons.extend(payloads(fleet, found));
    comparisons.extend(transitions(fleet, &found.transitions));
    comparisons.extend([
        Comparison::new("notifications not delivered", &0, &found.undelivered),
        Comparison::new("notifications delivered", &found.delivered, &received),
    ]);
    comparisons
}

/// Count and sum of every series by source and metric. Sums are compared to nine digits: the order of adding differs.
fn readings(fleet: &Fleet, mut found: BTreeMap<(String, String), (i64, f64)>) -> Vec<Comparison> {
    let mut planned = BTreeMap::<(String, String), (i64, f64)>::new();
    for request in &fleet.requests {
        let (Fate::Stored(readings) | Fate::Partial(readings)) = &request.fate else { continue };
        for reading in readings {
            let sum = planned.entry((reading.source.to_owned(), reading.metric.to_owned())).or_default();
            sum.0 += 1;
            sum.1 += reading.value;
        }
    }
    let text = |(count, sum): (i64, f64)| format!("{count} readings, sum {sum:.8e}");
    let mut comparisons: Vec<Comparison> = planned
        .into_iter()
        .map(|(series, sum)| {
            let stored = found.remove(&series).unwrap_or_default();
            Comparison::new(format!("stored: {} {}", series.0, series.1), &text(sum), &text(stored))
        })
        .collect();
    comparisons.extend(found.into_iter().map(|((source, metric), sum)| {
        Comparison::new(format!("stored: {source} {metric}"), &text((0, 0.0)), &text(sum))
    }));
    comparisons
}

/// Receipts by outcome, and open dead letters.
fn payloads(fleet: &Fleet, found: &Sums) -> Vec<Comparison> {
    let count =
        |wanted: fn(&Fate) -> bool| fleet.requests.iter().filter(|planned| wanted(&planned.fate)).count();
    let receipts = |outcome: &str| found.receipts.get(outcome).copied().unwrap_or_default();
    let partial = count(|fate| matches!(fate, Fate::Partial(_)));
    let rejected = count(|fate| matches!(fate, Fate::DeadLetter));
    vec![
        // A payload sent again is a payload of its own where its platform gives it no id; its readings are the same.
        Comparison::new(
            "payloads stored",
            &count(|fate| matches!(fate, Fate::Stored(_) | Fate::AgainAsNew)),
            &receipts("stored"),
        ),
        Comparison::new(
            "payloads without readings",
            &count(|fate| matches!(fate, Fate::NoReadings)),
            &receipts("no_data"),
        ),
        Comparison::new("payloads stored in part", &partial, &receipts("partial")),
        Comparison::new("payloads rejected", &rejected, &receipts("rejected")),
        Comparison::new("dead letters", &(partial + rejected), &found.dead_letters),
    ]
}

/// The transitions in force: each planned one, and every other that was found.
fn transitions(fleet: &Fleet, found: &[TransitionInForce]) -> Vec<Comparison> {
    let mut found: BTreeMap<_, _> =
        found.iter().map(|one| (what(&one.rule, &one.device, &one.kind), one.at)).collect();
    let mut comparisons: Vec<Comparison> = fleet
        .transitions
        .iter()
        .map(|ExpectedTransition { rule, device, kind, at }| {
            let name = what(rule, device, kind);
            let happened = found.remove(&name);
            let text = |time: Option<Timestamp>| match (time, at) {
                (None, _) => "never".to_owned(),
                (Some(_), None) => "in due time".to_owned(),
                (Some(time), Some(_)) => time.to_string(),
            };
            let planned = at.map_or_else(|| "in due time".to_owned(), |at| at.to_string());
            Comparison::new(name, &planned, &text(happened))
        })
        .collect();
    comparisons.extend(found.into_iter().map(|(name, at)| Comparison::new(name, &"never", &at)));
    comparisons
}

fn what(rule: &str, device: &str, kind: &str) -> String {
    format!("alert: {rule} {device} {kind}")
}
