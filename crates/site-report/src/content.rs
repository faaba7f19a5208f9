//! What a report says, before it has a form. Whoever makes it has converted values to the units that people see.

use event_model::Aggregate;
use event_model::Severity;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// What is said of a site for a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The site's name.
    pub site: String,
    /// The tag of its people's language (BCP 47), as the pipeline file spells it; English where it is not known.
    pub language: Option<String>,
    /// Of what it is.
    pub period: Period,
    /// What needs a person: alerts that fire at the end of the period.
    pub firing: Vec<AlertLine>,
    /// Devices that were silent at the end of the period, those that were heard of last first.
    pub silent: Vec<SilentDevice>,
    /// Payloads that could not be taken within the period and are still to be dealt with.
    pub open_dead_letters: u64,
    /// What was measured, by metric and unit, in the order in which it is shown.
    pub metrics: Vec<MetricSection>,
    /// Alerts that were firing at some time of the period, in the order of their beginnings.
    pub alerts: Vec<AlertLine>,
    /// Devices of the site that sent within the period, and all there are.
    pub devices: (u64, u64),
}

impl Report {
    /// Whether there is nothing that needs a person.
    pub(crate) fn needs_nobody(&self) -> bool {
        self.firing.is_empty() && self.silent.is_empty() && self.open_dead_letters == 0
    }
}

/// A day or a month of a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Period {
    /// Whether it is a day or a month.
    pub kind: PeriodKind,
    /// Its first date.
    pub first_day: Date,
    /// When it begins, in `zone`.
    pub from: Timestamp,
    /// When it is over.
    pub to: Timestamp,
    /// The zone of its dates.
    pub zone: TimeZone,
}

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeriodKind {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
}

/// An alert.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertLine {
    /// The rule's name.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The device: its name for people, else its platform's.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The metric.
    pub metric: String,
    /// When it began, which may be before the period.
    pub from: Timestamp,
    /// When it ended; `None` where it fires at the end of the period.
    pub to: Option<Timestamp>,
}

/// A device that was silent.
#[derive(Debug, Clone, PartialEq)]
pub struct SilentDevice {
    /// Its name for people, else its platform's.
    pub device: String,
    /// When it was last heard of; `None` where never.
    pub last_seen_at: Option<Timestamp>,
}

/// What was measured of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSection {
    /// The metric's name.
    pub metric: String,
    /// The unit that people see; empty where there is none.
    pub unit: String,
    /// How values become one.
    pub aggregate: Aggregate,
    /// What rules of this metric compare values with, in the same unit: lines of the chart.
    pub thresholds: Vec<f64>,
    /// The series, by device and channel.
    pub series: Vec<SeriesSection>,
}

/// What was measured of a metric by one channel of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSection {
    /// The device: its name for people, else its platform's.
    pub device: String,
    /// The channel; empty where the device has one only.
    pub channel: String,
    /// The value of the period by the aggregate.
    pub value: Option<f64>,
    /// The value of the period before, as long.
    pub before: Option<f64>,
    /// The least value.
    pub min: Option<f64>,
    /// The greatest value.
    pub max: Option<f64>,
    /// Readings that are not bad.
    pub n: u64,
    /// Readings that are.
    pub bad: u64,
    /// The value of each span of the period that has one, in the order of time: of hours where the period is a day, of days where it is a month.
    pub points: Vec<ChartPoint>,
    /// How long a span is at most, so that two neighbours which are further apart have a gap between them.
    pub span: SignedDuration,
}

/// The value of a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChartPoint {
    /// When the span begins.
    pub at: Timestamp,
    /// Its value.
    pub value: f64,
    /// The least within it.
    pub min: f64,
    /// The greatest within it.
    pub max: f64,
}
