//! Charts: where the lines, bars and dots of a metric are. Their markup is `templates/shapes.svg`, with what is around it on a page in `templates/chart.svg`.

pub(crate) mod frame;
mod shape;

use std::collections::BTreeMap;

use event_model::Aggregate;
use jiff::{SignedDuration, Timestamp};

use crate::axis::{ValueAxis, time_ticks};
use crate::bounds::{MAX_CHART_POINTS, MAX_CHART_SERIES, MAX_THRESHOLDS};
use crate::content::{ChartPoint, MetricSection, Period, SeriesSection};
use crate::wording::{Wording, place};
use crate::words::filled;
use frame::{Frame, coordinate};

/// The greatest size of a value that a chart shows.
const MAX_SIZE: f64 = 1e15;

/// A chart, in the units of its drawing.
#[derive(Debug)]
pub(crate) struct Chart {
    /// What it shows, for those who cannot see it.
    pub(crate) label: String,
    /// How many series it has, and from what to what.
    pub(crate) caption: String,
    /// The unit of its values.
    pub(crate) unit: String,
    /// Lines at its ticks.
    pub(crate) grid: String,
    /// Ticks of values, with the height of their texts.
    pub(crate) values: Vec<Label>,
    /// Ticks of time, with where the middle of their texts is.
    pub(crate) times: Vec<Label>,
    /// The band around the lines; empty where there is none.
    pub(crate) band: String,
    /// The series that are drawn.
    pub(crate) series: Vec<Drawn>,
    /// Thresholds, with their heights.
    pub(crate) thresholds: Vec<Threshold>,
    /// What has to be said of it.
    pub(crate) notes: Vec<String>,
}

/// A text at a place of an axis.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) place: f64,
    pub(crate) text: String,
}

impl Label {
    /// The place as it is written.
    pub(crate) fn at(&self) -> String {
        coordinate(self.place)
    }
}

/// A series of a chart, each path empty where it has none.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// Its name.
    pub(crate) name: String,
    /// Values that are joined.
    pub(crate) line: String,
    /// Values that stand alone.
    pub(crate) dots: String,
    /// Values as bars.
    pub(crate) bars: String,
}

/// A threshold within a chart.
#[derive(Debug)]
pub(crate) struct Threshold {
    pub(crate) y: String,
    /// Where its text stands.
    pub(crate) text_y: String,
    /// The value.
    pub(crate) label: String,
    /// The value in words.
    pub(crate) name: String,
}

/// A series with the values that can be drawn.
struct Plotted<'a> {
    series: &'a SeriesSection,
    points: Vec<ChartPoint>,
}

/// By what a value is multiplied before it is shown: a flag's share of time is percent.
pub(crate) fn factor(aggregate: Aggregate) -> f64 {
    if aggregate == Aggregate::Flag { 100.0 } else { 1.0 }
}

/// The chart of a metric; none where no value can be drawn.
pub(crate) fn chart(
    section: &MetricSection,
    unit: &str,
    heading: &str,
    wording: Wording<'_>,
) -> Option<Chart> {
    let plotted = |series| Plotted { series, points: drawable(series, section.aggregate, wording.period) };
    let with_points: Vec<Plotted<'_>> =
        section.series.iter().map(plotted).filter(|plotted| !plotted.points.is_empty()).collect();
    let (low, high) = extremes(&with_points)?;
    let drawn = &with_points[..with_points.len().min(MAX_CHART_SERIES)];
    let is_line = matches!(section.aggregate, Aggregate::Mean | Aggregate::TimeWeighted);
    let bands = if is_line { bands(&with_points) } else { Vec::new() };
    let span = with_points.first().map_or(SignedDuration::ZERO, |first| first.series.span);
    let values = bands.iter().flatten().flat_map(|point| [point.min, point.max]);
    let ends = values.fold((low, high), |(low, high), value| (low.min(value), high.max(value)));
    let thresholds = if is_line { thresholds(section, ends) } else { Thresholds::default() };
    let ends = thresholds.within.iter().fold(ends, |(low, high), value| (low.min(*value), high.max(*value)));
    let axis = match section.aggregate {
        Aggregate::Flag => ValueAxis::fixed([0.0, 25.0, 50.0, 75.0, 100.0]),
        Aggregate::Direction => ValueAxis::fixed([0.0, 90.0, 180.0, 270.0, 360.0]),
        Aggregate::Counter => ValueAxis::around(ends.0.min(0.0), ends.1.max(0.0)),
        Aggregate::Mean | Aggregate::TimeWeighted => ValueAxis::around(ends.0, ends.1),
    };
    let frame = Frame::new(wording.period, &axis)?;
    let ticks = time_ticks(wording);

    let number = |value: f64| wording.numbers.number(value);
    let count = wording.words.series.of(section.series.len() as u64);
    let caption =
        filled(wording.words.caption, &[("series", &count), ("low", &number(low)), ("high", &number(high))]);
    Some(Chart {
        label: format!("{heading}: {caption}"),
        caption,
        unit: unit.to_owned(),
        grid: frame.grid(&axis, &ticks),
        values: axis.ticks.iter().map(|tick| value_label(*tick, &axis, &frame, wording)).collect(),
        times: ticks
            .iter()
            .map(|tick| Label { place: frame.x_at(tick.at), text: tick.label.clone() })
            .collect(),
        band: bands.iter().map(|run| shape::band(&frame, run, span)).collect(),
        series: drawn
            .iter()
            .enumerate()
            .map(|(n, one)| draw(one, section, &frame, (n, drawn.len())))
            .collect(),
        thresholds: thresholds.within.iter().map(|value| threshold(*value, &frame, wording)).collect(),
        notes: notes(section, with_points.len(), &thresholds, wording),
    })
}

/// The values of a series that a chart can show, in the order of time.
fn drawable(series: &SeriesSection, aggregate: Aggregate, period: &Period) -> Vec<ChartPoint> {
    let factor = factor(aggregate);
    let mut last = Timestamp::MIN;
    let points = series.points.iter().filter_map(|point| {
        let end = frame::end_of(point.at, series.span);
        let value = point.value * factor;
        let is_shown = end > period.from && point.at < period.to && point.at > last;
        if !is_shown || value.is_nan() || value.abs() > MAX_SIZE {
            return None;
        }
        last = point.at;
        let edge = |edge: f64| if edge.abs() <= MAX_SIZE { edge * factor } else { value };
        let (min, max) = (edge(point.min).min(value), edge(point.max).max(value));
        Some(ChartPoint { at: point.at, value, min, max })
    });
    points.take(MAX_CHART_POINTS).collect()
}

/// The least and the greatest value; none of no series.
fn extremes(plotted: &[Plotted<'_>]) -> Option<(f64, f64)> {
    let values = || plotted.iter().flat_map(|one| &one.points).map(|point| point.value);
    Some((values().reduce(f64::min)?, values().reduce(f64::max)?))
}

/// The band: of one series the least and the greatest of each span; of more than can be drawn the least and the greatest value of all
/// series. In runs without gaps.
fn bands(plotted: &[Plotted<'_>]) -> Vec<Vec<ChartPoint>> {
    let Some(Plotted { series, points }) = plotted.first() else { return Vec::new() };
    let points = match plotted.len() {
        1 => points.clone(),
        2..=MAX_CHART_SERIES => return Vec::new(),
        _ => of_all(plotted),
    };
    shape::runs(&points, series.span).map(<[ChartPoint]>::to_vec).collect()
}

fn of_all(plotted: &[Plotted<'_>]) -> Vec<ChartPoint> {
    let mut all: BTreeMap<Timestamp, (f64, f64)> = BTreeMap::new();
    for point in plotted.iter().flat_map(|one| &one.points) {
        let ends = all.entry(point.at).or_insert((point.value, point.value));
        *ends = (ends.0.min(point.value), ends.1.max(point.value));
    }
    let points = all.into_iter().map(|(at, (min, max))| ChartPoint { at, value: min, min, max });
    points.take(MAX_CHART_POINTS).collect()
}

/// What a metric's rules compare values with.
#[derive(Debug, Default)]
struct Thresholds {
    /// Those that the chart shows.
    within: Vec<f64>,
    /// Those so far from all values that the lines would be flat if it did.
    beyond: Vec<f64>,
}

/// The thresholds from the least: those beyond are more than the range of the values, or a tenth of their size, away from them.
fn thresholds(section: &MetricSection, (low, high): (f64, f64)) -> Thresholds {
    let known = section.thresholds.iter().copied().filter(|value| value.abs() <= MAX_SIZE);
    let mut all: Vec<f64> = known.take(MAX_THRESHOLDS).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let room = (high - low).max(low.abs().max(high.abs()) * 0.1);
    let (within, beyond) = all.into_iter().partition(|value| (low - room..=high + room).contains(value));
    Thresholds { within, beyond }
}

fn value_label(tick: f64, axis: &ValueAxis, frame: &Frame<'_>, wording: Wording<'_>) -> Label {
    let (low, high) = axis.ends();
    let is_plain = low.abs().max(high.abs()) < 1e6 && axis.decimals <= 6;
    let numbers = wording.numbers;
    let text = match is_plain || tick == 0.0 {
        true => numbers.with_decimals(tick, axis.decimals.min(6)),
        false => numbers.with_exponent(tick),
    };
    Label { place: frame.text_y(tick), text }
}

fn threshold(value: f64, frame: &Frame<'_>, wording: Wording<'_>) -> Threshold {
    let label = wording.numbers.number(value);
    let name = filled(wording.words.threshold, &[("value", &label)]);
    Threshold { y: frame.y(value), text_y: frame.threshold_text_y(value), label, name }
}

fn draw(one: &Plotted<'_>, section: &MetricSection, frame: &Frame<'_>, place_of: (usize, usize)) -> Drawn {
    let Plotted { series, points } = one;
    let mut drawn = Drawn {
        name: place(&series.device, &series.channel),
        line: String::new(),
        dots: String::new(),
        bars: String::new(),
    };
    match section.aggregate {
        Aggregate::Counter => drawn.bars = shape::bars(frame, points, series.span, place_of),
        Aggregate::Direction => drawn.dots = shape::dots(frame, points, series.span),
        Aggregate::Mean | Aggregate::TimeWeighted | Aggregate::Flag => {
            for run in shape::runs(points, series.span) {
                match run {
                    [_] => drawn.dots.push_str(&shape::dots(frame, run, series.span)),
                    _ => drawn.line.push_str(&shape::line(frame, run, series.span)),
                }
            }
        }
    }
    drawn
}

fn notes(
    section: &MetricSection,
    plotted: usize,
    thresholds: &Thresholds,
    wording: Wording<'_>,
) -> Vec<String> {
    let words = wording.words;
    let is_line = matches!(section.aggregate, Aggregate::Mean | Aggregate::TimeWeighted);
    let mut notes = Vec::new();
    if plotted > MAX_CHART_SERIES {
        let note = if is_line { words.first_lines } else { words.first_series };
        notes.push(filled(note, &[("shown", &MAX_CHART_SERIES), ("all", &plotted)]));
    } else if plotted == 1 && is_line {
        notes.push(words.band.to_owned());
    }
    if !thresholds.beyond.is_empty() {
        let values: Vec<String> =
            thresholds.beyond.iter().map(|value| wording.numbers.number(*value)).collect();
        notes.push(filled(words.thresholds_beyond, &[("values", &values.join("; "))]));
    }
    notes
}
