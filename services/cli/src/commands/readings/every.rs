//! `freshet readings --every`: a line a span of time, from rollups where there are any and from the readings themselves.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use event_model::{Aggregate, Quality};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pipeline_config::Pipeline;
use rollups::{Observation, Part, Point, Span};
use runtime::Failure;
use serde::Serialize;
use store::export::{Export, Line, Metric, PageSize, Selection, Stream};
use store::rollups::{self as rollup_rows, Rolled};
use store::{Client, StoreError, registry};

use crate::database;
use crate::output::Row;
use crate::words;

/// Empty spans that are printed between two readings; a clock that was wrong once would make millions.
const MOST_EMPTY: usize = 10_000;
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Spans that are rolled up and read at once.
const SPANS: i64 = 2_000;

/// How long a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Every {
    /// So long, which is an hour or divides one; in UTC.
    Fixed(SignedDuration),
    /// A day of the device's zone.
    Day,
}

impl Every {
    /// Reads it.
    ///
    /// # Errors
    /// What is expected.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "1d" {
            return Ok(Self::Day);
        }
        let width =
            pipeline_config::parse_duration(text).and_then(|width| SignedDuration::try_from(width).ok());
        let divides = |width: &SignedDuration| {
            width.subsec_nanos() == 0 && width.as_secs() > 0 && 3600 % width.as_secs() == 0
        };
        let width = width.filter(divides);
        width
            .map(Self::Fixed)
            .ok_or_else(|| "expected 1d, 1h, or what divides an hour, such as 15m".to_owned())
    }

    /// The span that a time lies in.
    fn span_of(self, at: Timestamp, zone: &TimeZone) -> Option<Span> {
        match self {
            Self::Fixed(width) => {
                let seconds = at.as_nanosecond().div_euclid(1_000_000_000) as i64;
                let from = Timestamp::from_second(seconds - seconds.rem_euclid(width.as_secs())).ok()?;
                Some(Span { from, to: from.checked_add(width).ok()? })
            }
            Self::Day => rollups::day_of(zone, at).map(|day| day.span),
        }
    }
}

/// What the readings of a series within a span come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SpanLine {
    source: String,
    device: String,
    channel: String,
    metric: String,
    unit: Option<String>,
    /// When it begins.
    pub(super) from: Timestamp,
    /// When it is over.
    to: Timestamp,
    aggregate: Aggregate,
    /// `None` where there is none.
    value: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    /// Readings that are not bad.
    n: u64,
    bad: u64,
}

impl SpanLine {
    /// The names of its columns, in their order.
    pub(super) const COLUMNS: [&'static str; 13] = [
        "source",
        "device",
        "channel",
        "metric",
        "unit",
        "from",
        "to",
        "aggregate",
        "value",
        "min",
        "max",
        "n",
        "bad",
    ];
}

/// The spans of one stream under way.
struct StreamSpans<'a> {
    pipeline: &'a Pipeline,
    every: Every,
    stream: &'a Stream,
    zone: TimeZone,
    series: BTreeMap<SeriesKey, Series>,
}

/// Metric, unit and kind.
type SeriesKey = (String, Option<String>, String);

struct Series {
    aggregate: Aggregate,
    gap: SignedDuration,
    span: Span,
    part: Part,
    /// The last reading before the span.
    before: Option<Point>,
}

/// Hands each line to `take`, by source, device and channel, each series by time, until it breaks off. Hours and days that are rolled up are taken
/// as they are, whether their readings are there or not; the others come from readings. Those are whole in which the selection begins and ends.
///
/// # Errors
/// Where the database cannot be asked, and those of `take`.
pub(super) async fn run(
    client: &mut Client,
    (pipeline, every): (&Pipeline, Every),
    selection: Selection,
    mut take: impl FnMut(SpanLine) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let rolled_to = rollup_rows::rolled_to(client).await.map_err(failed)?;
    let (from, until) = (selection.from, selection.until);
    let mut streams = Export::new(selection, PageSize::default());
    let mut done = Vec::new();
    while let Some(stream) = streams.next_stream(client).await.map_err(failed)? {
        let zone = match every {
            Every::Day => zone(client, pipeline, &stream).await?,
            Every::Fixed(_) => TimeZone::UTC,
        };
        let mut spans = StreamSpans { pipeline, every, stream: &stream, zone, series: BTreeMap::new() };
        let from = from.and_then(|from| Some(spans.span_of(from)?.from));
        let until = until.and_then(|until| {
            Some(spans.span_of(until.checked_sub(SignedDuration::from_micros(1)).ok()?)?.to)
        });
        let rolled = match every {
            // Days of another zone are rolled up anew before they are days of this one.
            Every::Day => match rollup_rows::zone_of(client, &stream).await.map_err(failed)? {
                Some(rolled) if Some(rolled.as_str()) != spans.zone.iana_name() => None,
                _ => rolled_to.days.map(|to| (Rolled::Days, to)),
            },
            Every::Fixed(width) if width == HOUR => rolled_to.hours.map(|to| (Rolled::Hours, to)),
            Every::Fixed(_) => None,
        };
        let mut unrolled = from;
        if let Some((rolled, to)) = rolled {
            let to = spans.span_of(to).map_or(to, |span| span.from);
            let (from, until) = (from.unwrap_or(rollup_rows::EARLIEST), until.unwrap_or(to).min(to));
            for metric in &stream.metrics {
                // What is not rolled up yet is later.
                let unrolled = rollup_rows::last_moment(client, (&stream, metric), (to, from));
                let before = match if from > to { unrolled.await.map_err(failed)? } else { None } {
                    Some(before) => Some(before),
                    None => {
                        let of = (rolled, &*stream, metric);
                        rollup_rows::last_before(client, of, from).await.map_err(failed)?
                    }
                };
                spans.begin(metric, (from, before));
                let mut next = from;
                loop {
                    let of = (rolled, &*stream, metric);
                    let page = rollup_rows::spans(client, of, (next, until), SPANS).await.map_err(failed)?;
                    for (span, part) in &page {
                        spans.add(metric, (*span, *part), &mut done);
                        if hand_over(&mut done, &mut take)?.is_break() {
                            return Ok(());
                        }
                    }
                    match page.last() {
                        Some((last, _)) if page.len() as i64 == SPANS => next = last.to,
                        _ => break,
                    }
                }
            }
            unrolled = Some(from.max(to));
        }
        let mut export = Export::of_stream(Arc::clone(&stream), unrolled, until, PageSize::default());
        while let Some(page) = export.next_page(client).await.map_err(failed)? {
            for line in page.lines() {
                spans.add_line(&line, &mut done);
                if hand_over(&mut done, &mut take)?.is_break() {
                    return Ok(());
                }
            }
        }
        spans.end(&mut done);
        if hand_over(&mut done, &mut take)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn hand_over(
    done: &mut Vec<SpanLine>,
    take: &mut impl FnMut(SpanLine) -> Result<ControlFlow<()>, Failure>,
) -> Result<ControlFlow<()>, Failure> {
    for line in done.drain(..) {
        if take(line)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn failed(error: impl Into<StoreError>) -> Failure {
    database::failed(&error.into())
}

/// The zone of a device: that of its site, which the file or a row names, else its source's.
async fn zone(client: &Client, pipeline: &Pipeline, stream: &Stream) -> Result<TimeZone, Failure> {
    let (source, device) = (&*stream.source, &*stream.device);
    let entry = registry::entry(client, source, device).await.map_err(failed)?;
    let placed = entry.registered.get("site").and_then(|site| site.as_str());
    Ok(pipeline.zone_of(source, device, placed))
}

impl StreamSpans<'_> {
    fn span_of(&self, at: Timestamp) -> Option<Span> {
        self.every.span_of(at, &self.zone)
    }

    /// Ends every series of the stream.
    fn end(&mut self, done: &mut Vec<SpanLine>) {
        for (key, series) in std::mem::take(&mut self.series) {
            if series.has_begun() {
                done.push(self.line(&key, &series));
            }
        }
    }

    /// Begins a series at a time, with the last value before it.
    fn begin(&mut self, metric: &Metric, (from, before): (Timestamp, Option<Point>)) {
        let Ok(kind) = metric.kind.parse() else { return };
        let series = Series {
            aggregate: self.pipeline.aggregate_of(&metric.name, kind),
            gap: self.pipeline.gap_of(&metric.name),
            span: Span { from, to: from },
            part: Part::default(),
            before,
        };
        self.series.insert((metric.name.clone(), metric.unit.clone(), metric.kind.clone()), series);
    }

    /// Adds a reading; what is over by it is done. Texts and bytes have no value of a span.
    fn add_line(&mut self, line: &Line<'_>, done: &mut Vec<SpanLine>) {
        let (Some(value), Some(span)) = (line.value, self.span_of(line.observed_at)) else { return };
        let quality = line.quality.parse().unwrap_or(Quality::Bad);
        let is_of = |metric: &&Metric| {
            (metric.name.as_str(), metric.unit.as_deref(), metric.kind.as_str())
                == (line.metric, line.unit, line.kind)
        };
        let Some(metric) = self.stream.metrics.iter().find(is_of) else { return };
        let part = Part::of([Observation { at: line.observed_at, value, quality }], SignedDuration::ZERO);
        self.add(metric, (span, part), done);
    }

    /// Adds what some readings within a span leave; what is over by it is done.
    fn add(&mut self, metric: &Metric, (span, part): (Span, Part), done: &mut Vec<SpanLine>) {
        let key = (metric.name.clone(), metric.unit.clone(), metric.kind.clone());
        if !self.series.contains_key(&key) {
            self.begin(metric, (span.from, None));
        }
        let Some(mut series) = self.series.remove(&key) else { return };
        if series.has_begun() && series.span != span {
            done.push(self.line(&key, &series));
            series.before = series.part.values.map(|values| values.last).or(series.before);
            series.part = Part::default();
            let mut empty = 0;
            while let Some(next) = self.span_of(series.span.to).filter(|next| next.from < span.from) {
                series.span = next;
                empty += 1;
                if empty > MOST_EMPTY {
                    eprintln!("no readings of {} from {} to {}", metric.name, next.from, span.from);
                    break;
                }
                done.push(self.line(&key, &series));
            }
        }
        series.span = span;
        series.part = series.part.merge(part, series.gap);
        self.series.insert(key, series);
    }

    fn line(&self, (metric, unit, _): &SeriesKey, series: &Series) -> SpanLine {
        let Series { aggregate, gap, span, part, before } = series;
        SpanLine {
            source: self.stream.source.to_string(),
            device: self.stream.device.to_string(),
            channel: self.stream.channel.clone(),
            metric: metric.clone(),
            unit: unit.clone(),
            from: span.from,
            to: span.to,
            aggregate: *aggregate,
            value: part.value_after(*before, *aggregate, *gap),
            min: part.values.map(|values| values.min),
            max: part.values.map(|values| values.max),
            n: part.values.map_or(0, |values| values.n),
            bad: part.bad,
        }
    }
}

impl Series {
    /// Whether it has a reading yet.
    fn has_begun(&self) -> bool {
        self.span.from < self.span.to
    }
}

impl Row for SpanLine {
    const HEADINGS: &'static [&'static str] =
        &["FROM", "SOURCE", "CHANNEL", "METRIC", "VALUE", "UNIT", "MIN", "MAX", "READINGS", "AGGREGATE"];

    fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>| value.map(words::number).unwrap_or_default();
        vec![
            self.from.to_string(),
            self.source.clone(),
            self.channel.clone(),
            self.metric.clone(),
            number(self.value),
            self.unit.clone().unwrap_or_default(),
            number(self.min),
            number(self.max),
            self.n.to_string(),
            self.aggregate.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use jiff::{SignedDuration, Timestamp};

    use super::Every;

    #[test]
    fn a_span_is_an_hour_what_divides_one_or_a_day() {
        assert_eq!(Every::parse("15m"), Ok(Every::Fixed(SignedDuration::from_mins(15))));
        assert_eq!(Every::parse("1h"), Ok(Every::Fixed(SignedDuration::from_hours(1))));
        assert_eq!(Every::parse("1d"), Ok(Every::Day));
        for wrong in ["7m", "2h", "2d", "0s", "", "soon"] {
            assert!(Every::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_lies_in_one_span() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let of = |every: Every, text| {
            let span = every.span_of(at(text), &zone).unwrap();
            (span.from.to_string(), span.to.to_string())
        };
        let quarter = Every::Fixed(SignedDuration::from_mins(15));
        let expected = ("2026-11-01T12:15:00Z".to_owned(), "2026-11-01T12:30:00Z".to_owned());
        assert_eq!(of(quarter, "2026-11-01T12:15:00Z"), expected);
        assert_eq!(of(quarter, "2026-11-01T12:29:59.999999Z"), expected);
        assert_eq!(of(quarter, "1969-12-31T23:59:59.5Z").1, "1970-01-01T00:00:00Z");
        // The day on which summer time ends has 25 hours.
        let day = ("2026-10-24T22:00:00Z".to_owned(), "2026-10-25T23:00:00Z".to_owned());
        assert_eq!(of(Every::Day, "2026-10-25T22:59:59Z"), day);
        assert_eq!(of(Every::Day, "2026-10-24T22:00:00Z"), day);
    }
}
