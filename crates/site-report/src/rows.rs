//! The rows of tables, as texts: those of the page and those of the mail.

use event_model::{Aggregate, Severity};
use jiff::Timestamp;

use crate::chart::factor;
use crate::content::{AlertLine, MetricSection, PeriodKind, Report, SeriesSection, SilentDevice};
use crate::number::Precision;
use crate::wording::{Wording, place, shown_name};
use crate::words::filled;

/// In the place of a value, where there is none.
const NO_VALUE: &str = "\u{2013}";

/// A row of an alert.
#[derive(Debug)]
pub(crate) struct AlertRow {
    /// The severity's name in the style sheet.
    pub(crate) class: &'static str,
    /// The severity's word.
    pub(crate) severity: &'static str,
    pub(crate) rule: String,
    pub(crate) place: String,
    pub(crate) metric: String,
    pub(crate) begin: String,
    pub(crate) end: String,
    pub(crate) duration: String,
}

/// A row of a silent device.
#[derive(Debug)]
pub(crate) struct SilentRow {
    pub(crate) device: String,
    pub(crate) last_seen: String,
}

/// The table of a metric.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    /// The headings of its columns of values: value, before, min, max.
    pub(crate) headings: [&'static str; 4],
    /// The same for a narrow table.
    pub(crate) short_headings: [&'static str; 4],
    pub(crate) rows: Vec<SeriesRow>,
    /// How many rows are left out, in a sentence; empty where none is.
    pub(crate) more: String,
}

/// A row of a series.
#[derive(Debug)]
pub(crate) struct SeriesRow {
    pub(crate) place: String,
    pub(crate) value: String,
    pub(crate) before: String,
    /// By how much the value is more than the one before; empty where there is not both.
    pub(crate) difference: String,
    pub(crate) min: String,
    pub(crate) max: String,
    pub(crate) readings: u64,
    pub(crate) bad: u64,
}

/// The first alerts.
pub(crate) fn alert_rows(alerts: &[AlertLine], most: usize, wording: Wording<'_>) -> Vec<AlertRow> {
    let row = |alert: &AlertLine| {
        let end = |to: Timestamp| wording.moment(to);
        let until = alert.to.unwrap_or(wording.period.to);
        AlertRow {
            class: alert.severity.as_str(),
            severity: wording.words.severities[match alert.severity {
                Severity::Info => 0,
                Severity::Warning => 1,
                Severity::Critical => 2,
            }],
            rule: shown_name(&alert.rule),
            place: place(&alert.device, &alert.channel),
            metric: shown_name(&alert.metric),
            begin: wording.moment(alert.from),
            end: alert.to.map_or_else(|| wording.words.fires_still.to_owned(), end),
            duration: wording.duration(until.duration_since(alert.from)),
        }
    };
    alerts.iter().take(most).map(row).collect()
}

/// The first silent devices.
pub(crate) fn silent_rows(silent: &[SilentDevice], most: usize, wording: Wording<'_>) -> Vec<SilentRow> {
    let row = |silent: &SilentDevice| SilentRow {
        device: shown_name(&silent.device),
        last_seen: silent.last_seen_at.map_or(wording.words.never.to_owned(), |at| wording.moment(at)),
    };
    silent.iter().take(most).map(row).collect()
}

/// A metric's name with its unit.
pub(crate) fn heading(section: &MetricSection, wording: Wording<'_>) -> String {
    let (metric, unit) = (shown_name(&section.metric), unit(section));
    if unit.is_empty() {
        return metric;
    }
    filled(wording.words.metric_in_unit, &[("metric", &metric), ("unit", &unit)])
}

/// The unit in which a metric is shown: of a flag, the share of time in percent.
pub(crate) fn unit(section: &MetricSection) -> String {
    match section.aggregate {
        Aggregate::Flag => "%".to_owned(),
        _ if section.unit.trim().is_empty() => String::new(),
        _ => shown_name(&section.unit),
    }
}

/// The first series of a metric.
pub(crate) fn series_table(section: &MetricSection, most: usize, wording: Wording<'_>) -> SeriesTable {
    let shown = &section.series[..section.series.len().min(most)];
    let factor = factor(section.aggregate);
    let of = |edge: fn(&SeriesSection) -> [Option<f64>; 2]| {
        shown.iter().flat_map(edge).filter_map(move |value| finite(value, factor))
    };
    let values = Precision::of(of(|series| [series.value, series.before]));
    let edges = Precision::of(of(|series| [series.min, series.max]));
    let text = |value: Option<f64>, precision| match finite(value, factor) {
        Some(value) => wording.numbers.in_column(value, precision),
        None => NO_VALUE.to_owned(),
    };
    // The least of some angles says nothing.
    let edge = |value: Option<f64>| value.filter(|_| section.aggregate != Aggregate::Direction);
    let row = |series: &SeriesSection| SeriesRow {
        place: place(&series.device, &series.channel),
        value: text(series.value, values),
        before: text(series.before, values),
        difference: difference(series, section.aggregate)
            .map(|difference| wording.numbers.difference(difference, values))
            .unwrap_or_default(),
        min: text(edge(series.min), edges),
        max: text(edge(series.max), edges),
        readings: series.n,
        bad: series.bad,
    };
    let headings = headings(section.aggregate, wording);
    let columns = &wording.words.columns;
    SeriesTable {
        headings,
        short_headings: [headings[0], columns.before, columns.min, columns.max],
        rows: shown.iter().map(row).collect(),
        more: more_rows(section.series.len(), most, wording),
    }
}

/// What is said of rows that are left out; empty where none is.
pub(crate) fn more_rows(all: usize, shown: usize, wording: Wording<'_>) -> String {
    wording.words.more_rows.of(all.saturating_sub(shown) as u64)
}

/// Who sent, and how much.
pub(crate) fn quality(report: &Report, wording: Wording<'_>) -> [String; 2] {
    let (sent, all) = report.devices;
    let series = || report.metrics.iter().flat_map(|section| &section.series);
    let readings = series().fold(0_u64, |sum, series| sum.saturating_add(series.n));
    let bad = series().fold(0_u64, |sum, series| sum.saturating_add(series.bad));
    [
        filled(wording.words.devices_sent, &[("sent", &sent), ("all", &all)]),
        filled(wording.words.readings_read, &[("n", &readings), ("bad", &bad)]),
    ]
}

fn headings(aggregate: Aggregate, wording: Wording<'_>) -> [&'static str; 4] {
    let columns = &wording.words.columns;
    let value = match aggregate {
        Aggregate::Mean | Aggregate::TimeWeighted => columns.mean,
        Aggregate::Counter => columns.rise,
        Aggregate::Direction => columns.direction,
        Aggregate::Flag => columns.share,
    };
    let before = match wording.period.kind {
        PeriodKind::Day => columns.day_before,
        PeriodKind::Month => columns.month_before,
    };
    match aggregate {
        Aggregate::Counter => [value, before, columns.min_count, columns.max_count],
        _ => [value, before, columns.min, columns.max],
    }
}

/// By how much the value is more than the one before; of directions the shorter way around.
fn difference(series: &SeriesSection, aggregate: Aggregate) -> Option<f64> {
    let factor = factor(aggregate);
    let difference = finite(series.value, factor)? - finite(series.before, factor)?;
    match aggregate {
        Aggregate::Direction => finite(Some((difference + 180.0).rem_euclid(360.0) - 180.0), 1.0),
        _ => finite(Some(difference), 1.0),
    }
}

fn finite(value: Option<f64>, factor: f64) -> Option<f64> {
    value.map(|value| value * factor).filter(|value| value.is_finite())
}
