//! The HTML of a mail, and its pictures.

use askama::Template;
use event_model::ids;

use crate::bounds::{MAX_HTML_BYTES, MAX_PICTURE_BYTES, MAX_TEXT_METRICS, MAX_TEXT_ROWS, shares};
use crate::chart::frame::PICTURE;
use crate::chart::{Chart, Label, chart};
use crate::content::{AlertLine, MetricSection, PeriodKind, Report};
use crate::mail::subject;
use crate::palette::{LIGHT, Palette};
use crate::picture::{self, PictureError, SHOWN};
use crate::rows::{
    AlertRow, SeriesTable, SilentRow, alert_rows, heading, more_rows, quality, series_table, silent_rows,
    unit,
};
use crate::wording::{Wording, line, shown_name};
use crate::words::Words;

/// The height of the labels of an axis of values, in pixels: as high as a picture is on the narrowest screen. On others they are as
/// much further apart as the picture is higher.
const LABELS_HEIGHT: f64 = 80.0;

/// The most labels of an axis of time that stand beside each other on a phone.
const MAX_TIMES: usize = 7;

/// How near to a side of a picture the label of a tick begins or ends there, as a share of the width.
const AT_SIDE: f64 = 0.05;

/// The HTML of a mail, with the pictures that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlMail {
    /// The document: well-formed XML, whose pictures are named `cid:` and their [`Image::content_id`].
    pub html: String,
    /// Its pictures, in order.
    pub images: Vec<Image>,
}

/// A picture of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its `Content-ID` without the brackets (RFC 2392).
    pub content_id: String,
    /// PNG.
    pub png: Vec<u8>,
}

/// The HTML of a report's mail, with the page's address where there is one. It says what [`text`](crate::text) says, with charts.
///
/// Where pictures have more than [`MAX_PICTURE_BYTES`] together the last are left out, and where the document has more than
/// [`MAX_HTML_BYTES`] it has fewer rows.
///
/// # Errors
/// [`PictureError`]
pub fn html(report: &Report, link: Option<&str>) -> Result<HtmlMail, PictureError> {
    let wording = Wording::typeset(report);
    let sections = &report.metrics[..report.metrics.len().min(MAX_TEXT_METRICS)];
    let charts: Vec<Option<Chart>> = sections.iter().map(|section| chart_of(section, wording)).collect();
    let images = images(report, &charts)?;
    let mut most = MAX_TEXT_ROWS;
    loop {
        let mail = Mail::of(report, (&charts, &images), (link, most));
        let html = mail.render().expect("a text takes all that is written into it");
        if html.len() <= MAX_HTML_BYTES || most == 0 {
            return Ok(HtmlMail { html, images });
        }
        most /= 2;
    }
}

fn chart_of(section: &MetricSection, wording: Wording<'_>) -> Option<Chart> {
    chart(section, &unit(section), &heading(section, wording), wording)
}

/// The pictures of charts, as many as there is room for.
fn images(report: &Report, charts: &[Option<Chart>]) -> Result<Vec<Image>, PictureError> {
    let kind = match report.period.kind {
        PeriodKind::Day => "day",
        PeriodKind::Month => "month",
    };
    let date = report.period.first_day.to_string();
    let mut images = Vec::new();
    let mut room = MAX_PICTURE_BYTES;
    for (n, chart) in charts.iter().flatten().enumerate() {
        let png = picture::png(chart)?;
        let Some(left) = room.checked_sub(png.len()) else { break };
        room = left;
        let id = ids::derive("report-chart", &[report.site.as_str(), kind, &date, &n.to_string()]);
        images.push(Image { content_id: format!("{id}@freshet.dev"), png });
    }
    Ok(images)
}

#[derive(Template)]
#[template(path = "mail.html", whitespace = "preserve")]
struct Mail<'a> {
    light: Palette,
    words: &'static Words,
    subject: String,
    site: String,
    period: String,
    times: String,
    link: Option<String>,
    needs_nobody: bool,
    firing: Listed,
    silent: Vec<SilentRow>,
    silent_sentence: String,
    more_silent: String,
    dead_letters: String,
    has_dead_letters: bool,
    metrics: Vec<Metric<'a>>,
    /// What is said of metrics and charts that are left out; empty where none is.
    left_out: [String; 2],
    fired: Listed,
    quality: [String; 2],
}

/// Alerts, and what is said above and below them.
struct Listed {
    sentence: String,
    rows: Vec<AlertRow>,
    more: String,
}

/// What is shown of a metric.
struct Metric<'a> {
    heading: String,
    figure: Option<Figure<'a>>,
    table: SeriesTable,
}

/// A picture with what stands around it.
struct Figure<'a> {
    chart: &'a Chart,
    content_id: &'a str,
    width: u32,
    height: u32,
    values: Vec<ValueCell<'a>>,
    times: Vec<TimeCell<'a>>,
}

/// A label beside a picture.
struct ValueCell<'a> {
    text: &'a str,
    height: u32,
    align: &'static str,
}

/// A label below a picture.
struct TimeCell<'a> {
    text: &'a str,
    /// In percent of the picture's width.
    width: String,
    align: &'static str,
}

impl<'a> Mail<'a> {
    fn of(
        report: &Report,
        (charts, images): (&'a [Option<Chart>], &'a [Image]),
        (link, most): (Option<&str>, usize),
    ) -> Self {
        let wording = Wording::typeset(report);
        let words = wording.words;
        let sections = &report.metrics[..charts.len()];
        let fixed = [report.firing.len(), report.silent.len(), report.alerts.len()];
        let wanted: Vec<usize> =
            fixed.into_iter().chain(sections.iter().map(|section| section.series.len())).collect();
        let rows = shares(&wanted, most);

        let drawn = charts.iter().flatten().count();
        let mut images = images.iter();
        let more_charts = words.more_charts.of((drawn - images.len()) as u64);
        let metric = |((section, chart), most): ((_, &'a Option<Chart>), &usize)| Metric {
            heading: heading(section, wording),
            figure: chart.as_ref().and_then(|chart| Some(Figure::of(chart, images.next()?))),
            table: series_table(section, *most, wording),
        };
        let metrics = sections.iter().zip(charts).zip(&rows[fixed.len()..]).map(metric).collect();
        let listed = |alerts: &[AlertLine], most, sentence| Listed {
            sentence,
            rows: alert_rows(alerts, most, wording),
            more: more_rows(alerts.len(), most, wording),
        };
        Self {
            light: LIGHT,
            words,
            subject: subject(report),
            site: shown_name(&report.site),
            period: wording.period(),
            times: wording.times(),
            link: link.map(|link| line(link.trim())),
            needs_nobody: report.needs_nobody(),
            firing: listed(&report.firing, rows[0], words.firing.of(report.firing.len() as u64)),
            silent: silent_rows(&report.silent, rows[1], wording),
            silent_sentence: words.silent.of(report.silent.len() as u64),
            more_silent: more_rows(report.silent.len(), rows[1], wording),
            dead_letters: words.dead_letters.of(report.open_dead_letters),
            has_dead_letters: report.open_dead_letters > 0,
            metrics,
            left_out: [words.more_metrics.of((report.metrics.len() - sections.len()) as u64), more_charts],
            fired: listed(&report.alerts, rows[2], words.fired.of(report.alerts.len() as u64)),
            quality: quality(report, wording),
        }
    }
}

impl<'a> Figure<'a> {
    fn of(chart: &'a Chart, image: &'a Image) -> Self {
        Self {
            chart,
            content_id: &image.content_id,
            width: SHOWN.0,
            height: SHOWN.1,
            values: value_cells(&chart.values),
            times: time_cells(&chart.times),
        }
    }
}

/// From the highest: each has half of the way to its neighbours, and the outermost what is beyond the field.
fn value_cells(labels: &[Label]) -> Vec<ValueCell<'_>> {
    let last = labels.len().saturating_sub(1);
    let margin = PICTURE.margin();
    let step = (1.0 - 2.0 * margin) / last.max(1) as f64;
    let mut cells = Vec::with_capacity(labels.len());
    for (n, label) in labels.iter().rev().enumerate() {
        let (share, align) = match n {
            0 => (margin + step / 2.0, "top"),
            n if n == last => (margin + step / 2.0, "bottom"),
            _ => (step, "middle"),
        };
        cells.push(ValueCell { text: &label.text, height: (share * LABELS_HEIGHT).round() as u32, align });
    }
    cells
}

/// From the left: each has half of the way to its neighbours.
fn time_cells(labels: &[Label]) -> Vec<TimeCell<'_>> {
    let step = labels.len().div_ceil(MAX_TIMES).max(1);
    let shown: Vec<&Label> = labels.iter().step_by(step).collect();
    let place = |label: &Label| PICTURE.share_at(label.place);
    let mut left = 0.0;
    let mut cells = Vec::with_capacity(shown.len());
    for (n, label) in shown.iter().enumerate() {
        let at = place(label);
        let right = shown.get(n + 1).map_or(1.0, |next| f64::midpoint(at, place(next)));
        let align = match at {
            at if at < AT_SIDE => "left",
            at if at > 1.0 - AT_SIDE => "right",
            _ => "center",
        };
        cells.push(TimeCell { text: &label.text, width: format!("{:.1}", (right - left) * 100.0), align });
        left = right;
    }
    cells
}
