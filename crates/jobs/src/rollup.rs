//! Rolls up readings: first the hours that are over, then the days, then what has changed since.
//!
//! Each slice is one transaction. How far it came is a key, and what it writes takes the place of what was there, so that a slice that is done
//! again changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pipeline_config::Pipeline;
use rollups::{Part, Span, day_of, days, hour_of};
use serde::{Deserialize, Serialize};
use store::rollups::{
    self as rows, DueHour, HourPart, PartRow, Reach, RolledHour, RolledMetric, RolledStream, RolledTo,
};
use store::{StoreError, Transaction};

use crate::parts::{self, MOMENTS, Parts, StreamPart};

/// Streams that are looked at in one slice.
const STREAMS: i64 = 500;
/// Hours of one stream whose days are looked for in one slice.
const HOURS: i64 = 4_000;
/// Parts of hours that days are made of in one slice, and moments of those that are not made of hours.
const WORK: u64 = 60_000;
/// Hours that are rolled up again in one slice.
const DUE: i64 = 1_000;
/// Devices whose zone is changed in one slice.
const ZONES: usize = 20;

/// Rolls up by what a pipeline says of metrics and zones.
#[derive(Debug, Clone)]
pub(crate) struct Rollup {
    pipeline: Arc<Pipeline>,
}

/// Where it goes on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub(crate) enum Cursor {
    /// Hours of this stream from this time on, and those of all behind it.
    Hours { stream: i32, from: Option<Timestamp> },
    /// Days.
    Days { stream: i32, from: Option<Timestamp> },
    /// Hours that are due behind this one.
    Due { stream: i32, hour: Timestamp },
}

impl Cursor {
    /// Where everything begins.
    pub(crate) const FIRST: Self = Self::Hours { stream: 0, from: None };
    /// Where what has changed begins.
    pub(crate) const FIRST_DUE: Self = Self::Due { stream: 0, hour: Timestamp::UNIX_EPOCH };
}

/// What a slice did.
#[derive(Debug)]
pub(crate) struct Slice {
    /// Parts that were written.
    pub(crate) parts: u64,
    /// Where the next goes on; none where there is none.
    pub(crate) next: Option<Cursor>,
}

/// A day of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StreamDay {
    stream: i32,
    date: Date,
    span: Span,
    zone: Arc<str>,
}

/// Streams by their ids, with what the pipeline says of them.
struct Streams {
    all: Vec<RolledStream>,
    zones: HashMap<i32, (Arc<str>, TimeZone)>,
}

impl Streams {
    fn of(pipeline: &Pipeline, all: Vec<RolledStream>) -> Self {
        let mut names: HashMap<String, Arc<str>> = HashMap::new();
        let zone = |stream: &RolledStream| {
            let zone = pipeline.zone_of(&stream.source, &stream.device, stream.site.as_deref());
            let name = zone.iana_name().unwrap_or("UTC");
            let name = names.entry(name.to_owned()).or_insert_with(|| name.into());
            (stream.id, (Arc::clone(name), zone))
        };
        let zones = all.iter().map(zone).collect();
        Self { all, zones }
    }

    fn get(&self, id: i32) -> Option<&RolledStream> {
        parts::stream_of(&self.all, id)
    }

    /// The stream that the next page begins with, where there may be one behind a page of [`STREAMS`].
    fn behind(&self) -> Option<i32> {
        let last = self.all.last().filter(|_| self.all.len() as i64 == STREAMS)?;
        Some(last.id.saturating_add(1))
    }

    /// The days that an hour lies in: one, or two where one begins within it.
    fn days_of(&self, stream: i32, hour: Timestamp) -> impl Iterator<Item = StreamDay> {
        let Span { from, to } = hour_of(hour);
        let days = self.zones.get(&stream).map(|(name, zone)| {
            days(zone, from, to).map(move |day| StreamDay {
                stream,
                date: day.date,
                span: day.span,
                zone: Arc::clone(name),
            })
        });
        days.into_iter().flatten()
    }
}

impl Rollup {
    pub(crate) const fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline }
    }

    /// The next slice of all that ended by `to`.
    pub(crate) async fn roll(
        &self,
        transaction: &Transaction<'_>,
        to: Timestamp,
        cursor: Cursor,
    ) -> Result<Slice, StoreError> {
        let rolled_to = rows::hold(transaction).await?;
        match cursor {
            Cursor::Hours { stream, from } => self.hours(transaction, (rolled_to, to), (stream, from)).await,
            Cursor::Days { stream, from } => self.days(transaction, (rolled_to, to), (stream, from)).await,
            Cursor::Due { stream, hour } => self.due(transaction, rolled_to, (stream, hour)).await,
        }
    }

    /// The hours that ended since everything was rolled up last, stream by stream.
    async fn hours(
        &self,
        transaction: &Transaction<'_>,
        (rolled_to, to): (RolledTo, Timestamp),
        (first, first_from): (i32, Option<Timestamp>),
    ) -> Result<Slice, StoreError> {
        let page = rows::streams_after(transaction, first.saturating_sub(1), STREAMS).await?;
        let streams = Streams::of(&self.pipeline, page);
        self.set_aggregates(transaction, &streams).await?;
        let reach = |stream: &RolledStream| {
            let known = first_from.filter(|_| stream.id == first);
            let from =
                known.into_iter().chain(rolled_to.hours).chain(stream.frozen).max().unwrap_or(rows::EARLIEST);
            Reach { stream: stream.id, from, to: to.max(from) }
        };
        let reaches: Vec<Reach> = streams.all.iter().map(reach).collect();
        let (groups, rest) = self.parts(&streams).of_next_moments(transaction, &reaches, by_hour).await?;
        let parts = write_hours(transaction, &groups).await?;
        let next = match (rest, streams.behind()) {
            (Some((stream, from)), _) => Cursor::Hours { stream, from: Some(from) },
            (None, Some(stream)) => Cursor::Hours { stream, from: None },
            (None, None) => {
                let hours = rolled_to.hours.max(Some(to));
                rows::set_rolled_to(transaction, RolledTo { hours, ..rolled_to }).await?;
                Cursor::Days { stream: 0, from: None }
            }
        };
        Ok(Slice { parts, next: Some(next) })
    }

    /// The days that ended since, from what their hours left.
    async fn days(
        &self,
        transaction: &Transaction<'_>,
        (rolled_to, to): (RolledTo, Timestamp),
        (first, first_from): (i32, Option<Timestamp>),
    ) -> Result<Slice, StoreError> {
        let page = rows::streams_after(transaction, first.saturating_sub(1), STREAMS).await?;
        let streams = Streams::of(&self.pipeline, page);
        // In a transaction of its own, which nobody waits for.
        if self.change_zones(transaction, &streams).await? {
            return Ok(Slice { parts: 0, next: Some(Cursor::Days { stream: first, from: first_from }) });
        }
        let mut ends: HashMap<(Arc<str>, Option<Timestamp>), (Timestamp, Timestamp)> = HashMap::new();
        let mut reach = |stream: &RolledStream| {
            let known = first_from.filter(|_| stream.id == first).or(rolled_to.days);
            let (name, zone) = &streams.zones[&stream.id];
            // From the day that was not over to the one that is not.
            let (from, to) = *ends.entry((Arc::clone(name), known)).or_insert_with(|| {
                let begins = |at| day_of(zone, at).map_or(at, |day| day.span.from);
                (known.map_or(rows::EARLIEST, begins), begins(to))
            });
            Reach { stream: stream.id, from, to: to.max(from) }
        };
        let reaches: Vec<Reach> = streams.all.iter().map(&mut reach).collect();
        // A day may begin within an hour.
        let of_hours: Vec<Reach> =
            reaches.iter().map(|reach| Reach { from: hour_of(reach.from).from, ..*reach }).collect();
        let mut hours = rows::rolled_hours(transaction, &of_hours, (HOURS, MOMENTS as i64)).await?;
        // Of the last stream that is looked at there may be more.
        let is_cut = cut_after_the_first_full(&mut hours);
        let mut days: Vec<(StreamDay, u64)> = Vec::new();
        for hour in &hours {
            let Ok(of_stream) = reaches.binary_search_by_key(&hour.stream, |reach| reach.stream) else {
                continue;
            };
            let Reach { from, to, .. } = reaches[of_stream];
            for day in streams
                .days_of(hour.stream, hour.hour)
                .filter(|day| from <= day.span.from && day.span.to <= to)
            {
                match days.last_mut() {
                    Some((last, moments)) if *last == day => *moments += hour.moments,
                    _ => days.push((day, hour.moments)),
                }
            }
        }
        // What makes much work is left for the next slice, and a day of which not all hours are known is.
        let mut work = 0;
        let fits = days.iter().take_while(|(day, moments)| {
            let positions = streams.get(day.stream).map_or(0, |stream| stream.metrics.len()) as u64;
            work += work_of(day, positions, *moments);
            work <= WORK
        });
        let all = days.len();
        let taken = fits.count().max(1).min(if is_cut { all.saturating_sub(1).max(1) } else { all });
        let left = days.get(taken).map(|(day, _)| (day.stream, day.span.from));
        days.truncate(taken);
        let days: Vec<StreamDay> = days.into_iter().map(|(day, _)| day).collect();
        let parts = self.write_days(transaction, &streams, &days).await?;
        let next = match (left, streams.behind()) {
            (Some((stream, from)), _) => Cursor::Days { stream, from: Some(from) },
            (None, Some(stream)) => Cursor::Days { stream, from: None },
            (None, None) => {
                let days = rolled_to.days.max(Some(to));
                rows::set_rolled_to(transaction, RolledTo { days, ..rolled_to }).await?;
                Cursor::FIRST_DUE
            }
        };
        Ok(Slice { parts, next: Some(next) })
    }

    /// What has changed of hours that are rolled up, and of their days.
    async fn due(
        &self,
        transaction: &Transaction<'_>,
        rolled_to: RolledTo,
        after: (i32, Timestamp),
    ) -> Result<Slice, StoreError> {
        let Some(hours_to) = rolled_to.hours else { return Ok(Slice { parts: 0, next: None }) };
        let mut due = rows::due(transaction, after, hours_to, DUE).await?;
        let is_cut = due.len() as i64 == DUE;
        let mut ids: Vec<i32> = due.iter().map(|due| due.stream).collect();
        ids.dedup();
        let streams = Streams::of(&self.pipeline, rows::streams(transaction, &ids).await?);
        self.set_aggregates(transaction, &streams).await?;
        let is_frozen = |due: &DueHour| {
            streams.get(due.stream).is_none_or(|stream| stream.frozen.is_some_and(|frozen| due.hour < frozen))
        };
        let reach = |due: &DueHour| {
            let Span { from, to } = hour_of(due.hour);
            Reach { stream: due.stream, from, to }
        };
        let reaches: Vec<Reach> = due.iter().filter(|due| !is_frozen(due)).map(reach).collect();
        let (mut groups, rest) = self.parts(&streams).of_next_moments(transaction, &reaches, by_hour).await?;
        if let Some(rest) = rest {
            due.retain(|due| (due.stream, due.hour) < rest);
        }
        let (mut days, mut work, mut taken): (Vec<StreamDay>, u64, usize) = (Vec::new(), 0, 0);
        for due in &due {
            let of_hour =
                groups.iter().find(|group| (group.stream, group.span.from) == (due.stream, due.hour));
            let moments = of_hour.into_iter().flat_map(|group| group.parts.values()).map(readings).max();
            let positions = streams.get(due.stream).map_or(0, |stream| stream.metrics.len()) as u64;
            let is_over = |day: &StreamDay| rolled_to.days.is_some_and(|days_to| day.span.to <= days_to);
            let of_due: Vec<StreamDay> = streams
                .days_of(due.stream, due.hour)
                .filter(is_over)
                .filter(|day| days.last() != Some(day))
                .collect();
            // A day has about as many moments as this hour, 24 times.
            work += of_due.iter().map(|day| work_of(day, positions, moments.unwrap_or(1) * 24)).sum::<u64>();
            if work > WORK && taken > 0 {
                break;
            }
            days.extend(of_due);
            taken += 1;
        }
        let is_cut = is_cut || rest.is_some() || taken < due.len();
        due.truncate(taken);
        let rolled: Vec<(i32, Timestamp)> =
            due.iter().filter(|due| !is_frozen(due)).map(|due| (due.stream, due.hour)).collect();
        groups
            .retain(|group| due.iter().any(|due| (due.stream, due.hour) == (group.stream, group.span.from)));
        let mut parts = write_hours_of(transaction, &rolled, &groups).await?;
        parts += self.write_days(transaction, &streams, &days).await?;
        rows::settle(transaction, &due).await?;
        let last = due.last().filter(|_| is_cut);
        Ok(Slice { parts, next: last.map(|last| Cursor::Due { stream: last.stream, hour: last.hour }) })
    }

    fn parts<'a>(&'a self, streams: &'a Streams) -> Parts<'a> {
        Parts { pipeline: &self.pipeline, streams: &streams.all }
    }

    /// Writes days that are over: of whole hours from what these left, and others from their moments where they are all there.
    async fn write_days(
        &self,
        transaction: &Transaction<'_>,
        streams: &Streams,
        days: &[StreamDay],
    ) -> Result<u64, StoreError> {
        let reach = |day: &StreamDay| Reach { stream: day.stream, from: day.span.from, to: day.span.to };
        let (whole, others): (Vec<&StreamDay>, Vec<&StreamDay>) =
            days.iter().partition(|day| day.span.is_whole_hours());
        let is_there = |day: &&StreamDay| {
            let frozen = streams.get(day.stream).and_then(|stream| stream.frozen);
            frozen.is_none_or(|frozen| frozen <= day.span.from)
        };
        let others: Vec<&StreamDay> = others.into_iter().filter(is_there).collect();
        let reaches: Vec<Reach> = whole.iter().copied().map(reach).collect();
        let mut written: Vec<PartRow<'_>> = Vec::new();
        for HourPart { reach: number, position, part, .. } in
            rows::parts_of_hours(transaction, &reaches).await?
        {
            let (reach, day) = (reaches[number], whole[number]);
            let metric = streams
                .get(day.stream)
                .and_then(|stream| stream.metrics.iter().find(|metric| metric.position == position));
            let Some(RolledMetric { name, .. }) = metric else { continue };
            match written.last_mut() {
                Some(last) if last.reach == reach && last.position == position => {
                    last.part = last.part.merge(part, self.pipeline.gap_of(name));
                }
                _ => written.push(PartRow { reach, position, day: Some((day.date, &*day.zone)), part }),
            }
        }
        let of_moments: Vec<Reach> = others.iter().copied().map(reach).collect();
        let by_day = |reach: &Reach, _| Span { from: reach.from, to: reach.to };
        let groups = self.parts(streams).of_moments(transaction, &of_moments, by_day).await?;
        for group in &groups {
            let day = others.iter().find(|day| day.stream == group.stream && day.span == group.span);
            let Some(day) = day else { continue };
            let row = |(position, part): (&i16, &Part)| PartRow {
                reach: reach(day),
                position: *position,
                day: Some((day.date, &*day.zone)),
                part: *part,
            };
            written.extend(group.parts.iter().map(row));
        }
        let all: Vec<Reach> = reaches.iter().chain(&of_moments).copied().collect();
        rows::replace_days(transaction, &all, &written).await?;
        Ok(written.len() as u64)
    }

    /// Has the days of devices rolled up anew whose zone is another; whether there were such devices among the streams.
    async fn change_zones(
        &self,
        transaction: &Transaction<'_>,
        streams: &Streams,
    ) -> Result<bool, StoreError> {
        // By device: whether none of its days are rolled up yet, and its zone.
        let changed: BTreeMap<i32, (bool, &str)> = streams
            .all
            .iter()
            .map(|stream| (stream, &*streams.zones[&stream.id].0))
            .filter(|(stream, zone)| stream.zone.as_deref() != Some(*zone))
            .map(|(stream, zone)| (stream.device_id, (stream.zone.is_none(), zone)))
            .collect();
        let of = |is_wanted: bool| {
            let wanted = changed.iter().filter(move |(_, (is_new, _))| *is_new == is_wanted);
            wanted.map(|(device, (_, zone))| (*device, *zone))
        };
        let devices: Vec<(i32, &str)> = of(true).chain(of(false).take(ZONES)).collect();
        if !devices.is_empty() {
            rows::change_zones(transaction, &devices).await?;
        }
        Ok(!devices.is_empty())
    }

    /// Notes how the values of the metrics of streams become one.
    async fn set_aggregates(
        &self,
        transaction: &Transaction<'_>,
        streams: &Streams,
    ) -> Result<(), StoreError> {
        let metrics: BTreeSet<(&str, &'static str)> = streams
            .all
            .iter()
            .flat_map(|stream| &stream.metrics)
            .map(|metric| (metric.name.as_str(), metric.kind.as_str()))
            .collect();
        let aggregates = metrics
            .into_iter()
            .filter_map(|(name, kind)| {
                let aggregate = self.pipeline.aggregate_of(name, kind.parse().ok()?);
                Some((name.to_owned(), kind, aggregate.as_str(), self.pipeline.gap_of(name)))
            })
            .collect();
        rows::set_aggregates(transaction, &aggregates).await
    }
}

/// What it takes to make a day: parts of hours, or where it is not made of hours, moments.
fn work_of(day: &StreamDay, positions: u64, moments: u64) -> u64 {
    if day.span.is_whole_hours() { positions * 24 } else { positions.saturating_mul(moments) }
}

fn readings(part: &Part) -> u64 {
    part.bad + part.values.map_or(0, |values| values.n)
}

/// Leaves out the hours of the streams behind the first of which there may be more; whether there may be more of any.
fn cut_after_the_first_full(hours: &mut Vec<RolledHour>) -> bool {
    let is_full = hours.len() == MOMENTS;
    let mut of_stream = (0, 0);
    for (number, hour) in hours.iter().enumerate() {
        of_stream =
            if of_stream.0 == hour.stream { (hour.stream, of_stream.1 + 1) } else { (hour.stream, 1) };
        if of_stream.1 == HOURS {
            hours.truncate(number + 1);
            return true;
        }
    }
    is_full
}

fn by_hour(_: &Reach, at: Timestamp) -> Span {
    hour_of(at)
}

/// Writes the hours of groups; how many parts.
async fn write_hours(transaction: &Transaction<'_>, groups: &[StreamPart]) -> Result<u64, StoreError> {
    let hours: Vec<(i32, Timestamp)> = groups.iter().map(|group| (group.stream, group.span.from)).collect();
    write_hours_of(transaction, &hours, groups).await
}

/// Writes these hours; those that are not among the groups have nothing left.
async fn write_hours_of(
    transaction: &Transaction<'_>,
    hours: &[(i32, Timestamp)],
    groups: &[StreamPart],
) -> Result<u64, StoreError> {
    let row = |group: &StreamPart, (position, part): (&i16, &Part)| PartRow {
        reach: Reach { stream: group.stream, from: group.span.from, to: group.span.to },
        position: *position,
        day: None,
        part: *part,
    };
    let parts: Vec<PartRow<'_>> =
        groups.iter().flat_map(|group| group.parts.iter().map(move |part| row(group, part))).collect();
    rows::replace_hours(transaction, hours, &parts).await?;
    Ok(parts.len() as u64)
}
