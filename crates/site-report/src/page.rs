//! The page: HTML with charts.

use askama::Template;

use crate::bounds::{MAX_CHARTS, MAX_METRICS, MAX_ROWS, shares};
use crate::chart::{Chart, chart};
use crate::content::Report;
use crate::palette::{LIGHT, Palette};
use crate::rows::{
    AlertRow, SeriesTable, SilentRow, alert_rows, heading, more_rows, quality, series_table, silent_rows,
    unit,
};
use crate::wording::{Wording, shown_name};
use crate::words::Words;

/// The page of a report: an HTML document that needs nothing but itself, and is well-formed XML.
///
/// Every text of the report is escaped, and how much of it is shown is bounded.
pub fn page(report: &Report) -> String {
    Page::of(report).render().expect("a text takes all that is written into it")
}

#[derive(Template)]
#[template(path = "page.html", whitespace = "preserve")]
struct Page {
    light: Palette,
    words: &'static Words,
    title: String,
    site: String,
    period: String,
    times: String,
    needs_nobody: bool,
    firing: Alerts,
    silent: Silent,
    dead_letters: String,
    has_dead_letters: bool,
    metrics: Vec<Metric>,
    more_metrics: String,
    fired: Alerts,
    quality: [String; 2],
}

/// A table of alerts, and what is said above and below it.
struct Alerts {
    sentence: String,
    rows: Vec<AlertRow>,
    more: String,
}

/// A table of silent devices, and what is said above and below it.
struct Silent {
    sentence: String,
    rows: Vec<SilentRow>,
    more: String,
}

/// What is shown of a metric.
struct Metric {
    heading: String,
    chart: Option<Chart>,
    /// In the place of a chart.
    no_chart: &'static str,
    table: SeriesTable,
}

impl Page {
    fn of(report: &Report) -> Self {
        let wording = Wording::typeset(report);
        let words = wording.words;
        let sections = &report.metrics[..report.metrics.len().min(MAX_METRICS)];
        let fixed = [report.firing.len(), report.silent.len(), report.alerts.len()];
        let wanted: Vec<usize> =
            fixed.into_iter().chain(sections.iter().map(|section| section.series.len())).collect();
        let rows = shares(&wanted, MAX_ROWS);

        let mut charts = 0;
        let metric = |(section, most): (_, &usize)| {
            let heading = heading(section, wording);
            let has_room = charts < MAX_CHARTS;
            let chart = if has_room { chart(section, &unit(section), &heading, wording) } else { None };
            charts += usize::from(chart.is_some());
            let no_chart = if has_room { "" } else { words.no_chart };
            Metric { heading, chart, no_chart, table: series_table(section, *most, wording) }
        };
        let metrics = sections.iter().zip(&rows[fixed.len()..]).map(metric).collect();
        let alerts = |alerts: &[_], most, sentence| Alerts {
            sentence,
            rows: alert_rows(alerts, most, wording),
            more: more_rows(alerts.len(), most, wording),
        };
        let (site, period) = (shown_name(&report.site), wording.period());
        Self {
            light: LIGHT,
            words,
            title: format!("{site}: {period}"),
            site,
            period,
            times: wording.times(),
            needs_nobody: report.needs_nobody(),
            firing: alerts(&report.firing, rows[0], words.firing.of(report.firing.len() as u64)),
            silent: Silent {
                sentence: words.silent.of(report.silent.len() as u64),
                rows: silent_rows(&report.silent, rows[1], wording),
                more: more_rows(report.silent.len(), rows[1], wording),
            },
            dead_letters: words.dead_letters.of(report.open_dead_letters),
            has_dead_letters: report.open_dead_letters > 0,
            metrics,
            more_metrics: words.more_metrics.of((report.metrics.len() - sections.len()) as u64),
            fired: alerts(&report.alerts, rows[2], words.fired.of(report.alerts.len() as u64)),
            quality: quality(report, wording),
        }
    }
}
