//! Rolls up readings: first the hours that are over, then the days, then what has changed since.
//!
//! Each slice is one transaction. How far it came is a key, and what it writes takes the place of what was there, so that a slice that is done
//! again changes nothing.
//!
//! A slice reads a page of moments, and another where days are made of them too. Of an hour that has more, what is read goes with the key: slices take
//! as long, and as much memory, whatever an hour has, and each comes further. What is written meanwhile makes the hour due again, whether it lies before
//! or behind what is read: its mark is taken away only where it is still the one from before the first page.

mod cursor;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pipeline_config::Pipeline;
use rollups::{Part, Span, day_of, days, hour_of};
use store::rollups::{
    self as rows, DueHour, HourPart, PartRow, Reach, RolledHour, RolledMetric, RolledStream, RolledTo,
};
use store::{StoreError, Transaction};

use crate::parts::{self, MOMENTS, Parts, Read, StreamPart};

pub(crate) use cursor::Cursor;
use cursor::{Begun, BegunDue};

/// Streams that are looked at in one slice.
const STREAMS: i64 = 500;
/// Hours of one stream whose days are looked for in one slice.
const HOURS: i64 = 4_000;
/// Parts of hours that days are made of in one slice.
const WORK: u64 = 60_000;
/// Hours that are rolled up again in one slice.
const DUE: i64 = 1_000;
/// Devices whose zone is changed in one slice.
const ZONES: usize = 20;

/// Rolls up by what a pipeline says of metrics and zones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rollup<'a> {
    pub(crate) pipeline: &'a Pipeline,
    /// Moments that are read in one slice, at most.
    pub(crate) page: usize,
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

    /// What is read of a span of a stream.
    fn read_of(&self, begun: Option<Begun>, stream: i32, span: Option<Span>) -> Read {
        let read = begun.and_then(|begun| Some(begun.read(self.get(stream)?, span?)));
        read.unwrap_or_default()
    }

    /// Parts of hours that a day is made of, at most.
    fn work_of(&self, day: &StreamDay) -> u64 {
        self.get(day.stream).map_or(0, |stream| stream.metrics.len()) as u64 * 24
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

impl Rollup<'_> {
    /// The next slice of all that ended by `to`.
    pub(crate) async fn roll(
        &self,
        transaction: &Transaction<'_>,
        to: Timestamp,
        cursor: Cursor,
    ) -> Result<Slice, StoreError> {
        let rolled_to = rows::hold(transaction).await?;
        match cursor {
            Cursor::Hours { stream, from, begun } => {
                self.hours(transaction, (rolled_to, to), (stream, from, begun)).await
            }
            Cursor::Days { stream, from, begun } => {
                self.days(transaction, (rolled_to, to), (stream, from, begun)).await
            }
            Cursor::Due { stream, hour, begun } => {
                self.due(transaction, rolled_to, ((stream, hour), begun)).await
            }
        }
    }

    /// The hours that ended since everything was rolled up last, stream by stream.
    async fn hours(
        &self,
        transaction: &Transaction<'_>,
        (rolled_to, to): (RolledTo, Timestamp),
        (first, first_from, begun): (i32, Option<Timestamp>, Option<Begun>),
    ) -> Result<Slice, StoreError> {
        let page = rows::streams_after(transaction, first.saturating_sub(1), STREAMS).await?;
        let streams = Streams::of(self.pipeline, page);
        self.set_aggregates(transaction, &streams).await?;
        let reach = |stream: &RolledStream| {
            let known = first_from.filter(|_| stream.id == first);
            let from =
                known.into_iter().chain(rolled_to.hours).chain(stream.frozen).max().unwrap_or(rows::EARLIEST);
            Reach { stream: stream.id, from, to: to.max(from) }
        };
        let reaches: Vec<Reach> = streams.all.iter().map(reach).collect();
        let read = streams.read_of(begun, first, first_from.map(hour_of));
        let mut read =
            self.parts(&streams).read_on(transaction, (&reaches, self.page), by_hour, read).await?;
        let rest = read.next.map(|(stream, at)| (stream, hour_of(at)));
        let begun = rest.and_then(|(stream, hour)| Begun::cut_from(&mut read, stream, hour));
        let parts = write_hours(transaction, &read.made).await?;
        let next = match (rest, streams.behind()) {
            (Some((stream, hour)), _) => Cursor::Hours { stream, from: Some(hour.from), begun },
            (None, Some(stream)) => Cursor::Hours { stream, from: None, begun: None },
            (None, None) => {
                let hours = rolled_to.hours.max(Some(to));
                rows::set_rolled_to(transaction, RolledTo { hours, ..rolled_to }).await?;
                Cursor::Days { stream: 0, from: None, begun: None }
            }
        };
        Ok(Slice { parts, next: Some(next) })
    }

    /// The days that ended since, from what their hours left.
    async fn days(
        &self,
        transaction: &Transaction<'_>,
        (rolled_to, to): (RolledTo, Timestamp),
        (first, first_from, begun): (i32, Option<Timestamp>, Option<Begun>),
    ) -> Result<Slice, StoreError> {
        let page = rows::streams_after(transaction, first.saturating_sub(1), STREAMS).await?;
        let streams = Streams::of(self.pipeline, page);
        // In a transaction of its own, which nobody waits for.
        if self.change_zones(transaction, &streams).await? {
            return Ok(Slice {
                parts: 0,
                next: Some(Cursor::Days { stream: first, from: first_from, begun }),
            });
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
        let mut days: Vec<StreamDay> = Vec::new();
        for hour in &hours {
            let Ok(of_stream) = reaches.binary_search_by_key(&hour.stream, |reach| reach.stream) else {
                continue;
            };
            let Reach { from, to, .. } = reaches[of_stream];
            let within = |day: &StreamDay| from <= day.span.from && day.span.to <= to;
            for day in streams.days_of(hour.stream, hour.hour).filter(within) {
                if days.last() != Some(&day) {
                    days.push(day);
                }
            }
        }
        // What makes much work is left for the next slice, and a day of which not all hours are known is.
        let mut work = 0;
        let fits = days.iter().take_while(|day| {
            work += streams.work_of(day);
            work <= WORK
        });
        let all = days.len();
        let taken = fits.count().max(1).min(if is_cut { all.saturating_sub(1).max(1) } else { all });
        let left = days.get(taken).map(|day| (day.stream, day.span.from, None));
        days.truncate(taken);
        let begins = days.first().filter(|day| day.stream == first);
        let read = streams.read_of(begun, first, begins.map(|day| day.span));
        let (parts, cut) = self.write_days(transaction, &streams, days, read).await?;
        let cut = cut.map(|(day, begun)| (day.stream, day.span.from, begun));
        let next = match (cut.or(left), streams.behind()) {
            (Some((stream, from, begun)), _) => Cursor::Days { stream, from: Some(from), begun },
            (None, Some(stream)) => Cursor::Days { stream, from: None, begun: None },
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
        (after, begun): ((i32, Timestamp), Option<BegunDue>),
    ) -> Result<Slice, StoreError> {
        let Some(hours_to) = rolled_to.hours else { return Ok(Slice { parts: 0, next: None }) };
        let mut due = rows::due(transaction, after, hours_to, DUE).await?;
        let is_cut = due.len() as i64 == DUE;
        let mut ids: Vec<i32> = due.iter().map(|due| due.stream).collect();
        ids.dedup();
        let streams = Streams::of(self.pipeline, rows::streams(transaction, &ids).await?);
        self.set_aggregates(transaction, &streams).await?;
        let is_over = |day: &StreamDay| rolled_to.days.is_some_and(|days_to| day.span.to <= days_to);
        let days_of = |due: &DueHour| streams.days_of(due.stream, due.hour).filter(is_over);
        let key = |due: &DueHour| (due.stream, due.hour);
        let mut begun = begun.filter(|begun| due.first().map(key) == Some(key(&begun.due)));
        if let (Some(begun), Some(first)) = (&begun, due.first_mut()) {
            // What was written since stays due.
            *first = begun.due;
        }
        if let Some(BegunDue { due, day: Some(from), begun }) = begun.take_if(|begun| begun.day.is_some()) {
            let days = days_of(&due).filter(|day| from <= day.span.from).collect();
            return self.rest_of_due(transaction, &streams, days, (due, begun)).await;
        }
        let is_frozen = |due: &DueHour| {
            streams.get(due.stream).is_none_or(|stream| stream.frozen.is_some_and(|frozen| due.hour < frozen))
        };
        let reach = |due: &DueHour| {
            let Span { from, to } = hour_of(due.hour);
            Reach { stream: due.stream, from, to }
        };
        let reaches: Vec<Reach> = due.iter().filter(|due| !is_frozen(due)).map(reach).collect();
        let read = begun
            .map(|BegunDue { due, begun, .. }| streams.read_of(begun, due.stream, Some(hour_of(due.hour))));
        let read = read.unwrap_or_default();
        let mut read =
            self.parts(&streams).read_on(transaction, (&reaches, self.page), by_hour, read).await?;
        let mut next = due.last().filter(|_| is_cut).map(Cursor::behind);
        if let Some((stream, at)) = read.next {
            let hour = hour_of(at);
            let begun = Begun::cut_from(&mut read, stream, hour);
            let first = due.partition_point(|due| key(due) < (stream, hour.from));
            if let Some(due) = due.get(first) {
                next = Some(Cursor::at(BegunDue { due: *due, day: None, begun }));
            }
            due.truncate(first);
        }
        let (mut days, mut work, mut taken): (Vec<StreamDay>, u64, usize) = (Vec::new(), 0, 0);
        for due in &due {
            let of_due: Vec<StreamDay> = days_of(due).filter(|day| days.last() != Some(day)).collect();
            work += of_due.iter().map(|day| streams.work_of(day)).sum::<u64>();
            if work > WORK && taken > 0 {
                break;
            }
            days.extend(of_due);
            taken += 1;
        }
        if taken < due.len() {
            due.truncate(taken);
            next = due.last().map(Cursor::behind);
        }
        let rolled: Vec<(i32, Timestamp)> = due.iter().filter(|due| !is_frozen(due)).map(key).collect();
        let mut groups = read.made;
        groups.retain(|group| rolled.binary_search(&(group.stream, group.span.from)).is_ok());
        let mut parts = write_hours_of(transaction, &rolled, &groups).await?;
        let (of_days, cut) = self.write_days(transaction, &streams, days, Read::default()).await?;
        parts += of_days;
        if let Some((day, begun)) = cut {
            let is_before =
                |of_due: StreamDay| (of_due.stream, of_due.span.from) < (day.stream, day.span.from);
            // Behind it there may be hours of days that are not over, which have none.
            if let Some(first) = due.iter().position(|due| !days_of(due).all(is_before)) {
                next = Some(Cursor::at(BegunDue { due: due[first], day: Some(day.span.from), begun }));
                due.truncate(first);
            }
        }
        rows::settle(transaction, &due).await?;
        Ok(Slice { parts, next })
    }

    /// The days of a due hour that is rolled up, those that are not: what is read of the first is `begun`.
    async fn rest_of_due(
        &self,
        transaction: &Transaction<'_>,
        streams: &Streams,
        days: Vec<StreamDay>,
        (due, begun): (DueHour, Option<Begun>),
    ) -> Result<Slice, StoreError> {
        let read = streams.read_of(begun, due.stream, days.first().map(|day| day.span));
        let (parts, cut) = self.write_days(transaction, streams, days, read).await?;
        let next = if let Some((day, begun)) = cut {
            Cursor::at(BegunDue { due, day: Some(day.span.from), begun })
        } else {
            rows::settle(transaction, &[due]).await?;
            Cursor::behind(&due)
        };
        Ok(Slice { parts, next: Some(next) })
    }

    fn parts<'a>(&'a self, streams: &'a Streams) -> Parts<'a> {
        Parts { pipeline: self.pipeline, streams: &streams.all }
    }

    /// Writes days that are over: the hours within a day from what these left, and what lies between them and its ends from moments, where they are all there.
    /// Of these a page is read; where there are more, the day that is next, with what is read of it, is left for the next slice with all behind it.
    async fn write_days(
        &self,
        transaction: &Transaction<'_>,
        streams: &Streams,
        mut days: Vec<StreamDay>,
        read: Read,
    ) -> Result<(u64, Option<(StreamDay, Option<Begun>)>), StoreError> {
        days.retain(|day| {
            let frozen = streams.get(day.stream).and_then(|stream| stream.frozen);
            day.span.is_whole_hours() || frozen.is_none_or(|frozen| frozen <= day.span.from)
        });
        let reach = |day: &StreamDay, Span { from, to }| Reach { stream: day.stream, from, to };
        let ends: Vec<Reach> = days
            .iter()
            .flat_map(|day| {
                let [before, _, behind] = day.span.cut_by_hours();
                [before, behind].map(|end| reach(day, end))
            })
            .filter(|end| end.from < end.to)
            .collect();
        let by_end = |end: &Reach, _| Span { from: end.from, to: end.to };
        let mut read = self.parts(streams).read_on(transaction, (&ends, self.page), by_end, read).await?;
        let mut cut = None;
        if let Some(next) = read.next {
            let first = days.partition_point(|day| (day.stream, day.span.to) <= next);
            if let Some(day) = days.get(first).cloned() {
                let begun = Begun::cut_from(&mut read, day.stream, day.span);
                cut = Some((day, begun));
            }
            days.truncate(first);
        }
        let mut pieces: Vec<(usize, i16, Timestamp, Part)> = Vec::new();
        for StreamPart { stream, span, parts } in &read.made {
            let day = days.partition_point(|day| (day.stream, day.span.to) <= (*stream, span.from));
            pieces.extend(parts.iter().map(|(position, part)| (day, *position, span.from, *part)));
        }
        let hours: Vec<Reach> = days.iter().map(|day| reach(day, day.span.cut_by_hours()[1])).collect();
        for HourPart { reach: day, position, hour, part } in rows::parts_of_hours(transaction, &hours).await?
        {
            pieces.push((day, position, hour, part));
        }
        pieces.sort_by_key(|(day, position, from, _)| (*day, *position, *from));
        let mut written: Vec<PartRow<'_>> = Vec::new();
        for (number, position, _, part) in pieces {
            let Some(day) = days.get(number) else { continue };
            let metrics = streams.get(day.stream).map_or(&[][..], |stream| &stream.metrics);
            let Some(RolledMetric { name, .. }) = metrics.iter().find(|metric| metric.position == position)
            else {
                continue;
            };
            let reach = reach(day, day.span);
            match written.last_mut() {
                Some(last) if last.reach == reach && last.position == position => {
                    last.part = last.part.merge(part, self.pipeline.gap_of(name));
                }
                _ => written.push(PartRow { reach, position, day: Some((day.date, &*day.zone)), part }),
            }
        }
        let all: Vec<Reach> = days.iter().map(|day| reach(day, day.span)).collect();
        rows::replace_days(transaction, &all, &written).await?;
        Ok((written.len() as u64, cut))
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
