//! How many readings a second one rule goes through, in memory.

use std::time::Instant;

use ::rules::{Checkpoint, Condition, Heartbeats, Horizon, Point, Rule, Selector, State, evaluate};
use event_model::Severity;
use jiff::{SignedDuration, Timestamp};

use crate::table::{Table, median};

const READINGS: i64 = 200_000;

/// One `above` rule with a clear threshold and a hold time over a series that crosses both again and again.
pub fn readings_per_second(table: &mut Table) {
    let rule = Rule {
        name: "TooHot".to_owned(),
        metric: "temperature".to_owned(),
        selector: Selector::default(),
        condition: Condition::Above { threshold: 30.0, clear: 28.0 },
        hold: SignedDuration::from_mins(5),
        severity: Severity::Warning,
        labels: std::collections::BTreeMap::new(),
        annotations: std::collections::BTreeMap::new(),
    };
    let begin = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 50);
    let points: Vec<Point> = (0..READINGS)
        .map(|number| Point {
            at: begin + SignedDuration::from_secs(number * 10),
            value: 27.0 + (number % 600) as f64 / 100.0,
        })
        .collect();
    let end = points.last().map_or(begin, |point| point.at);
    let heartbeats = Heartbeats::new(std::iter::empty(), SignedDuration::from_mins(5), end);
    let from = Checkpoint { at: begin - SignedDuration::from_secs(1), state: State::default() };
    let horizon = Horizon { heartbeats: &heartbeats, lateness: SignedDuration::from_mins(15) };
    let rates = (0..5)
        .map(|_| {
            let start = Instant::now();
            let evaluation = evaluate(&rule, &from, &points, horizon);
            assert!(!evaluation.transitions.is_empty(), "the series crosses the threshold");
            READINGS as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    table.tell("rules, one rule over one series", median(rates), "readings/s");
}
