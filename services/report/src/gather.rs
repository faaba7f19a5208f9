//! What a report says, from the rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use event_model::units;
use jiff::{SignedDuration, Timestamp};
use jobs::parts::Parts;
use pipeline_config::Pipeline;
use pipeline_config::site::Site;
use rollups::{Part, Point, Span, day_of, hour_of};
use rules::StreamNames;
use rules::rule::Condition;
use rules::template;
use site_report::{
    AlertLine, ChartPoint, MetricSection, Period, PeriodKind, Report, SeriesSection, SilentDevice,
};
use store::reports::{self as rows, SiteDevice};
use store::rollups::{self as rollup_rows, Reach, RolledMetric, RolledStream, RolledTo};
use store::{StoreError, Tags, Transaction};

use crate::period;

/// Devices of a site that a report looks at, by source and name.
const DEVICES: i64 = 1_000;
/// Metrics of a stream, of which a page shows no more.
const METRICS: usize = site_report::MAX_METRICS;
/// Alerts of a report.
const ALERTS: i64 = 1_000;
/// Parts of hours, or of days, that are held at once.
const PARTS: usize = 50_000;
/// So long before the period before one is looked for the last reading.
const LEAD: SignedDuration = SignedDuration::from_hours(24);
/// How long a device may be silent that is expected to send at no certain distance.
const SILENT: SignedDuration = SignedDuration::from_hours(24);

/// A stream of the site.
struct SiteStream<'a> {
    device: &'a SiteDevice,
    /// Those of its source, and its own.
    tags: Tags,
    channel: String,
    rolled: RolledStream,
}

/// What is known of a series: the parts of its hours, or of what a day has of them, in order.
type Cells = Vec<(Span, Part)>;

/// The report of a site on a period, and the devices that it names, as their platforms do.
pub(crate) async fn report(
    transaction: &Transaction<'_>,
    pipeline: &Pipeline,
    (name, site): (&str, &Site),
    period: Period,
) -> Result<(Report, Vec<String>), StoreError> {
    let (devices, all) = rows::devices_of(transaction, name, DEVICES).await?;
    let streams = streams(transaction, pipeline, &devices).await?;
    let before = period::before(&period);
    let earlier = before.as_ref().map_or(period.from, |before| before.from);
    // The value of the period before has a step from the last reading before it, too.
    let from = earlier.saturating_sub(LEAD).unwrap_or(earlier);
    let rolled_to = rollup_rows::rolled_to_in(transaction).await?;
    let mut sections: BTreeMap<(String, String), MetricSection> = BTreeMap::new();
    let mut sending = BTreeSet::new();
    for page in pages(&streams, &period) {
        let gathered = Gathering { transaction, pipeline, period: &period, rolled_to };
        let cells = match period.kind {
            PeriodKind::Day => gathered.hours(page, (from, period.to)).await?,
            PeriodKind::Month => gathered.days(page, (from, period.to)).await?,
        };
        for stream in page {
            for RolledMetric { position, name: metric, unit, kind } in &stream.rolled.metrics {
                let Some(cells) = cells.get(&(stream.rolled.id, *position)) else { continue };
                let aggregate = pipeline.aggregate_of(metric, *kind);
                let gap = pipeline.gap_of(metric);
                let shown = site.units.get(unit).unwrap_or(unit).as_str();
                let scale = Scale::between(unit, shown);
                let Some(series) = series(cells, (&period, earlier), (aggregate, gap)) else { continue };
                sending.insert(stream.device.id);
                let section =
                    sections.entry((metric.clone(), shown.to_owned())).or_insert_with(|| MetricSection {
                        metric: metric.clone(),
                        unit: template::unit(shown),
                        aggregate,
                        thresholds: Vec::new(),
                        series: Vec::new(),
                    });
                section
                    .thresholds
                    .extend(thresholds(pipeline, metric, stream).map(|value| scale.value(value)));
                section.series.push(scale.series(stream, series, aggregate));
            }
        }
    }
    let mut metrics: Vec<MetricSection> = sections.into_values().collect();
    for section in &mut metrics {
        section.thresholds.sort_by(f64::total_cmp);
        section.thresholds.dedup();
    }
    let alerts = alerts(transaction, &streams, &period).await?;
    let sources: BTreeSet<&str> = devices.iter().map(|device| device.source.as_str()).collect();
    let sources: Vec<&str> = sources.into_iter().collect();
    let report = Report {
        site: name.to_owned(),
        language: site.language.clone(),
        firing: alerts.iter().filter(|alert| alert.to.is_none()).cloned().collect(),
        silent: silent(&devices, period.to),
        open_dead_letters: rows::open_dead_letters(transaction, &sources, (period.from, period.to)).await?,
        metrics,
        alerts,
        devices: (sending.len() as u64, all),
        period,
    };
    let named = named(&report, &devices);
    Ok((report, named))
}

/// Which devices a report names, by the names of their platforms.
fn named(report: &Report, devices: &[SiteDevice]) -> Vec<String> {
    let series = report.metrics.iter().flat_map(|section| &section.series).map(|series| &series.device);
    let alerts = report.alerts.iter().map(|alert| &alert.device);
    let silent = report.silent.iter().map(|silent| &silent.device);
    let shown: BTreeSet<&str> = series.chain(alerts).chain(silent).map(String::as_str).collect();
    devices.iter().filter(|device| shown.contains(device.shown())).map(|device| device.name.clone()).collect()
}

/// Whether a report on a period can be made: what is not rolled up of it is read from moments, and that is a day at most.
pub(crate) fn is_rolled_up(rolled_to: RolledTo, period: &Period) -> bool {
    match period.kind {
        PeriodKind::Day => rolled_to.hours.is_some_and(|to| to >= period.from),
        PeriodKind::Month => rolled_to.days.is_some_and(|to| to >= period.to),
    }
}

/// The streams of devices, in the order of these and of their channels.
async fn streams<'a>(
    transaction: &Transaction<'_>,
    pipeline: &Pipeline,
    devices: &'a [SiteDevice],
) -> Result<Vec<SiteStream<'a>>, StoreError> {
    let ids: Vec<i32> = devices.iter().filter_map(|device| device.id).collect();
    let by_id: HashMap<i32, &SiteDevice> =
        devices.iter().filter_map(|device| Some((device.id?, device))).collect();
    let channels: BTreeMap<i32, String> = rows::streams_of(transaction, &ids)
        .await?
        .into_iter()
        .map(|(id, _, channel)| (id, channel))
        .collect();
    let ids: Vec<i32> = channels.keys().copied().collect();
    let rolled = rollup_rows::streams(transaction, &ids).await?;
    let mut streams: Vec<SiteStream<'a>> = rolled
        .into_iter()
        .filter_map(|mut rolled| {
            let device = by_id.get(&rolled.device_id)?;
            // A page shows no more of them.
            rolled.metrics.truncate(METRICS);
            let tags = pipeline.tags_of(&device.source, &device.tags);
            Some(SiteStream { device, tags, channel: channels.get(&rolled.id)?.clone(), rolled })
        })
        .collect();
    streams.sort_by(|one, other| {
        let key = |stream: &SiteStream<'_>| (stream.device.source.clone(), stream.device.name.clone());
        key(one).cmp(&key(other)).then_with(|| one.channel.cmp(&other.channel))
    });
    Ok(streams)
}

/// Streams of which so many hours are held at once.
fn pages<'s, 'a>(
    streams: &'s [SiteStream<'a>],
    period: &Period,
) -> impl Iterator<Item = &'s [SiteStream<'a>]> {
    // Of this period, the one before, and what leads into it.
    let spans = match period.kind {
        PeriodKind::Day => 3 * 25,
        PeriodKind::Month => 2 * 31 + 1,
    };
    let mut rest = streams;
    std::iter::from_fn(move || {
        let mut parts = 0;
        let fits = rest.iter().take_while(|stream| {
            parts += stream.rolled.metrics.len() * spans;
            parts <= PARTS
        });
        let taken = fits.count().max(1).min(rest.len());
        let (page, left) = rest.split_at(taken);
        rest = left;
        (!page.is_empty()).then_some(page)
    })
}

struct Gathering<'a> {
    transaction: &'a Transaction<'a>,
    pipeline: &'a Pipeline,
    period: &'a Period,
    rolled_to: RolledTo,
}

impl Gathering<'_> {
    /// What streams measured on the days between two times, all of which are rolled up.
    async fn days(
        &self,
        streams: &[SiteStream<'_>],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<BTreeMap<(i32, i16), Cells>, StoreError> {
        let ids: Vec<i32> = streams.iter().map(|stream| stream.rolled.id).collect();
        let zone = self.period.zone.iana_name().unwrap_or("UTC");
        let mut cells: BTreeMap<(i32, i16), Cells> = BTreeMap::new();
        for (stream, position, span, part) in
            rollup_rows::parts_of_days(self.transaction, (&ids, zone), (from, to)).await?
        {
            cells.entry((stream, position)).or_default().push((span, part));
        }
        Ok(cells)
    }

    /// What streams measured in the hours between two times: hours that are rolled up as they are, and from moments those that are not, those that have
    /// changed since, and those within which a day begins.
    async fn hours(
        &self,
        streams: &[SiteStream<'_>],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<BTreeMap<(i32, i16), Cells>, StoreError> {
        let mut of_moments: Vec<RolledStream> = streams.iter().map(|stream| stream.rolled.clone()).collect();
        of_moments.sort_by_key(|stream| stream.id);
        let rolled_to = self.rolled_to.hours.unwrap_or(from).max(from).min(to);
        let split = self.split_hours(from, rolled_to);
        let all: Vec<Reach> = of_moments
            .iter()
            .map(|stream| Reach { stream: stream.id, from: hour_of(from).from, to: rolled_to })
            .collect();
        let mut changed: HashMap<i32, BTreeSet<Span>> = HashMap::new();
        for (stream, hour) in rollup_rows::due_within(self.transaction, &all).await? {
            changed.entry(stream).or_default().insert(hour_of(hour));
        }
        let mut whole: Vec<Reach> = Vec::new();
        let mut raw: Vec<Reach> = Vec::new();
        for stream in &of_moments {
            let mut next = from;
            let hours: BTreeSet<Span> =
                split.iter().copied().chain(changed.remove(&stream.id).into_iter().flatten()).collect();
            for hour in &hours {
                whole.push(Reach { stream: stream.id, from: next, to: hour.from });
                // Of readings that are gone there is but the hour.
                let is_gone = stream.frozen.is_some_and(|frozen| hour.from < frozen);
                let into = if is_gone { &mut whole } else { &mut raw };
                into.push(Reach { stream: stream.id, from: hour.from.max(from), to: hour.to.min(to) });
                next = hour.to;
            }
            whole.push(Reach { stream: stream.id, from: next, to: rolled_to.max(next) });
            raw.push(Reach { stream: stream.id, from: rolled_to.max(next), to });
        }
        whole.retain(|reach| reach.from < reach.to);
        raw.retain(|reach| reach.from < reach.to);
        let mut cells: BTreeMap<(i32, i16), Cells> = BTreeMap::new();
        for hour in rollup_rows::parts_of_hours(self.transaction, &whole).await? {
            let key = (whole[hour.reach].stream, hour.position);
            cells.entry(key).or_default().push((hour_of(hour.hour), hour.part));
        }
        let parts = Parts { pipeline: self.pipeline, streams: &of_moments };
        for made in parts.of_moments(self.transaction, &raw, |_: &Reach, at| self.cell_of(at)).await? {
            for (position, part) in made.parts {
                cells.entry((made.stream, position)).or_default().push((made.span, part));
            }
        }
        for cells in cells.values_mut() {
            cells.sort_by_key(|(span, _)| span.from);
        }
        Ok(cells)
    }

    /// What an instant's day has of its hour.
    fn cell_of(&self, at: Timestamp) -> Span {
        let hour = hour_of(at);
        let day = day_of(&self.period.zone, at).map_or(hour, |day| day.span);
        Span { from: hour.from.max(day.from), to: hour.to.min(day.to) }
    }

    /// The hours within which a day begins.
    fn split_hours(&self, from: Timestamp, to: Timestamp) -> Vec<Span> {
        rollups::days(&self.period.zone, from, to)
            .flat_map(|day| [hour_of(day.span.from), hour_of(day.span.to)])
            .filter(|hour| !self.cell_of(hour.from).is_whole_hours() && hour.to > from && hour.from < to)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// What a series came to, in the unit that is stored; `None` where the period has nothing of it.
fn series(
    cells: &Cells,
    (period, earlier_from): (&Period, Timestamp),
    (aggregate, gap): (event_model::Aggregate, SignedDuration),
) -> Option<SeriesSection> {
    let (mut lead, mut earlier, mut part) = (Part::default(), Part::default(), Part::default());
    for (span, of_span) in cells {
        if span.from < earlier_from {
            lead = lead.merge(*of_span, gap);
            continue;
        }
        if span.from < period.from {
            earlier = earlier.merge(*of_span, gap);
            continue;
        }
        part = part.merge(*of_span, gap);
    }
    if part == Part::default() {
        return None;
    }
    let before_earlier: Option<Point> = lead.values.map(|values| values.last);
    let mut last: Option<Point> = earlier.values.map(|values| values.last).or(before_earlier);
    let before = last;
    let mut points = Vec::new();
    for (span, of_span) in cells.iter().filter(|(span, _)| span.from >= period.from) {
        if let (Some(value), Some(values)) = (of_span.value_after(last, aggregate, gap), of_span.values) {
            points.push(ChartPoint { at: span.from, value, min: values.min, max: values.max });
        }
        last = of_span.values.map(|values| values.last).or(last);
    }
    Some(SeriesSection {
        device: String::new(),
        channel: String::new(),
        value: part.value_after(before, aggregate, gap),
        before: earlier.value_after(before_earlier, aggregate, gap),
        min: part.values.map(|values| values.min),
        max: part.values.map(|values| values.max),
        n: part.values.map_or(0, |values| values.n),
        bad: part.bad,
        points,
        span: match period.kind {
            PeriodKind::Day => SignedDuration::from_hours(1),
            PeriodKind::Month => SignedDuration::from_hours(25),
        },
    })
}

/// From the unit in which values are stored to the one that people see: a line.
#[derive(Debug, Clone, Copy)]
struct Scale {
    factor: f64,
    offset: f64,
}

impl Scale {
    fn between(kept: &str, shown: &str) -> Self {
        let same = Self { factor: 1.0, offset: 0.0 };
        let at = |value| units::canonical(value, shown, "").map(|(value, _)| value);
        match (at(0.0), at(1.0)) {
            (Some(zero), Some(one)) if kept != shown && one != zero => {
                Self { factor: 1.0 / (one - zero), offset: -zero / (one - zero) }
            }
            _ => same,
        }
    }

    fn value(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }

    fn series(
        self,
        stream: &SiteStream<'_>,
        series: SeriesSection,
        aggregate: event_model::Aggregate,
    ) -> SeriesSection {
        // A rise is a difference.
        let of_value =
            if aggregate == event_model::Aggregate::Counter { Self { offset: 0.0, ..self } } else { self };
        let point = |point: ChartPoint| ChartPoint {
            value: of_value.value(point.value),
            min: self.value(point.min),
            max: self.value(point.max),
            ..point
        };
        SeriesSection {
            device: stream.device.shown().to_owned(),
            channel: stream.channel.clone(),
            value: series.value.map(|value| of_value.value(value)),
            before: series.before.map(|value| of_value.value(value)),
            min: series.min.map(|value| self.value(value)),
            max: series.max.map(|value| self.value(value)),
            points: series.points.into_iter().map(point).collect(),
            ..series
        }
    }
}

/// What rules compare the values of a stream's metric with.
fn thresholds<'p>(
    pipeline: &'p Pipeline,
    metric: &'p str,
    stream: &SiteStream<'_>,
) -> impl Iterator<Item = f64> + use<'p> {
    let names = StreamNames {
        source: &stream.device.source,
        device: &stream.device.name,
        channel: &stream.channel,
        tags: &stream.tags,
    };
    let of_rule = |rule: &rules::Rule| match rule.condition {
        Condition::Above { threshold, .. } | Condition::Below { threshold, .. } => vec![threshold],
        Condition::Outside { low, high, .. } => vec![low, high],
        Condition::RateOfChange { .. } | Condition::Absent { .. } => Vec::new(),
    };
    let watching = pipeline.rules.iter().filter(|rule| rule.watches(metric, names));
    watching.flat_map(of_rule).collect::<Vec<_>>().into_iter()
}

async fn alerts(
    transaction: &Transaction<'_>,
    streams: &[SiteStream<'_>],
    period: &Period,
) -> Result<Vec<AlertLine>, StoreError> {
    let by_id: HashMap<i32, &SiteStream<'_>> =
        streams.iter().map(|stream| (stream.rolled.id, stream)).collect();
    let ids: Vec<i32> = streams.iter().map(|stream| stream.rolled.id).collect();
    let alerts = rows::alerts(transaction, &ids, (period.from, period.to), ALERTS).await?;
    let line = |alert: rows::PastAlert| {
        let stream = by_id.get(&alert.stream)?;
        let metric = stream.rolled.metrics.iter().find(|metric| metric.position == alert.position);
        Some(AlertLine {
            rule: alert.rule,
            severity: alert.severity,
            device: stream.device.shown().to_owned(),
            channel: stream.channel.clone(),
            metric: metric.map(|metric| metric.name.clone()).unwrap_or_default(),
            from: alert.from,
            to: alert.to,
        })
    };
    Ok(alerts.into_iter().filter_map(line).collect())
}

/// Devices that were silent at a time, and have been since.
fn silent(devices: &[SiteDevice], at: Timestamp) -> Vec<SilentDevice> {
    let is_silent = |device: &&SiteDevice| {
        let expected = device.expected.as_deref().and_then(pipeline_config::parse_duration);
        let expected = expected.and_then(|expected| SignedDuration::try_from(expected).ok());
        // Twice what is expected, so that one that is a little late is not silent.
        let longest = expected.map_or(SILENT, |expected| expected * 2);
        !device.is_retired && device.last_seen_at.is_none_or(|seen| at.duration_since(seen) > longest)
    };
    let mut silent: Vec<SilentDevice> = devices
        .iter()
        .filter(is_silent)
        .map(|device| SilentDevice { device: device.shown().to_owned(), last_seen_at: device.last_seen_at })
        .collect();
    silent.sort_by_key(|device| std::cmp::Reverse(device.last_seen_at));
    silent
}
