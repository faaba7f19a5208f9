//! What a rule is: as it stands in `freshet.yaml`, with every threshold already in the metric's canonical unit.

use std::collections::BTreeMap;

use event_model::{Glob, Severity};
use jiff::SignedDuration;
use serde::Serialize;

/// A rule over every series that its metric and selector name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// Its name, unique in the pipeline; also Prometheus' `alertname`.
    pub name: String,
    /// The canonical metric that it watches.
    pub metric: String,
    /// Which series of that metric.
    pub selector: Selector,
    /// When a series is in breach.
    pub condition: Condition,
    /// `for`: how long, by event time, a breach must last before the alert fires.
    pub hold: SignedDuration,
    /// How bad it is.
    pub severity: Severity,
    /// Labels that every alert of the rule carries, beside `alertname`, `severity`, `source`, `device`, `channel`, `metric`.
    pub labels: BTreeMap<String, String>,
    /// Annotations; `{device}`, `{value}` and the like are filled in.
    pub annotations: BTreeMap<String, String>,
}

/// Which series a rule watches; what is absent selects all.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Selector {
    /// The source's name.
    pub source: Option<String>,
    /// The device's name.
    pub device: Option<Glob>,
    /// The channel's name; the empty text is the device's only channel.
    pub channel: Option<String>,
    /// Tags of source or device that must be equal.
    pub tags: BTreeMap<String, String>,
}

/// When a series is in breach. A breach that has begun ends at the clear threshold (hysteresis).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Begins at a value > `threshold`, ends at a value <= `clear` (`clear` <= `threshold`).
    Above {
        /// Where the breach begins.
        threshold: f64,
        /// Where it ends.
        clear: f64,
    },
    /// Begins at a value < `threshold`, ends at a value >= `clear` (`clear` >= `threshold`).
    Below {
        /// Where the breach begins.
        threshold: f64,
        /// Where it ends.
        clear: f64,
    },
    /// Begins at a value < `low` or > `high`, ends at a value within `clear_low` ..= `clear_high`.
    Outside {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
        /// The lower bound of the clear range (`low` <= `clear_low`).
        clear_low: f64,
        /// The upper bound of the clear range (`clear_high` <= `high`).
        clear_high: f64,
    },
    /// The change against the reading that was looked at before, scaled to `per`; begins where its magnitude exceeds `threshold`,
    /// ends where it is <= `clear`. Two readings at the same time have no rate.
    RateOfChange {
        /// Units of the metric per `per`; positive.
        threshold: f64,
        /// Where the breach ends.
        clear: f64,
        /// The time that the change is scaled to.
        per: SignedDuration,
        /// Which direction counts.
        direction: Direction,
        /// How much older the reading before is at least; those between the two are not looked at.
        #[serde(skip_serializing_if = "SignedDuration::is_zero")]
        window: SignedDuration,
    },
    /// No reading for `after`, counted only while heartbeats came through.
    Absent {
        /// How long a series may be silent.
        after: SignedDuration,
    },
}

/// Which direction of change a rate rule watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Rising or falling.
    #[default]
    Either,
    /// Rising only.
    Rising,
    /// Falling only.
    Falling,
}
