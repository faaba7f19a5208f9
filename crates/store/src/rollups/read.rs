//! What is rolled up, and what was: streams, moments, parts of hours and days.

use deadpool_postgres::{Client, GenericClient};
use event_model::Quality;
use event_model::reading::ValueKind;
use jiff::{SignedDuration, Timestamp};
use postgres_types::ToSql;
use retention::ALL;
use rollups::{Observation, Part, Point, Span, Values};
use tokio_postgres::{Error, Row};

use crate::export::{Metric, Stream};
use crate::pruned::is_not_pruned;
use crate::sent::Instant;
use crate::{StoreError, Transaction};

/// A stream whose readings are rolled up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledStream {
    /// Its id.
    pub id: i32,
    /// Its device's.
    pub device_id: i32,
    /// The source's name.
    pub source: String,
    /// The device's name.
    pub device: String,
    /// The device's site, where the command line has named one.
    pub site: Option<String>,
    /// The zone by which the device's days were rolled up last.
    pub zone: Option<String>,
    /// Hours that ended by then are never rolled up again.
    pub frozen: Option<Timestamp>,
    /// The metrics that have numbers, by their positions.
    pub metrics: Vec<RolledMetric>,
}

impl RolledStream {
    /// How many values a moment of it may have, text or not.
    pub fn width(&self) -> usize {
        self.metrics.last().map_or(0, |last| usize::try_from(last.position).unwrap_or_default() + 1)
    }
}

/// A metric whose values are numbers or flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledMetric {
    /// Its position in the stream.
    pub position: i16,
    /// Its name.
    pub name: String,
    /// The unit's symbol; empty for none.
    pub unit: String,
    /// `number` or `flag`.
    pub kind: ValueKind,
}

/// What [`stream`] reads, of those that a condition and a limit choose.
fn streams_sql(condition: &str) -> String {
    format!(
        "with chosen as materialized (select id, device_id from stream where {condition})
         select s.id, d.id, d.source, d.name, e.registered ->> 'site', d.zone,
                (select max(frozen_at) from retention_floor where source in (d.source, $2)),
                m.position, m.name, m.unit, m.kind
         from chosen s
         join device d on d.id = s.device_id
         left join device_entry e on e.source = d.source and e.name = d.name
         left join metric m on m.stream_id = s.id and m.kind in ('number', 'flag') and {}
         order by s.id, m.position",
        is_not_pruned!("m")
    )
}

/// The streams behind one, in the order of their ids, at most so many.
///
/// # Errors
/// [`StoreError`]
pub async fn streams_after(
    transaction: &Transaction<'_>,
    after: i32,
    most: i64,
) -> Result<Vec<RolledStream>, StoreError> {
    let sql = streams_sql("id > $1 order by id limit $3");
    collected(&transaction.query(&sql, &[&after, &ALL, &most]).await?)
}

/// These streams, in the order of their ids; those that are gone are left out.
///
/// # Errors
/// [`StoreError`]
pub async fn streams(transaction: &Transaction<'_>, ids: &[i32]) -> Result<Vec<RolledStream>, StoreError> {
    let sql = streams_sql("id = any($1)");
    collected(&transaction.query(&sql, &[&ids, &ALL]).await?)
}

fn collected(rows: &[Row]) -> Result<Vec<RolledStream>, StoreError> {
    let mut streams: Vec<RolledStream> = Vec::new();
    for row in rows {
        let id = row.try_get(0)?;
        if streams.last().is_none_or(|last| last.id != id) {
            streams.push(RolledStream {
                id,
                device_id: row.try_get(1)?,
                source: row.try_get(2)?,
                device: row.try_get(3)?,
                site: row.try_get(4)?,
                zone: row.try_get(5)?,
                frozen: row.try_get(6)?,
                metrics: Vec::new(),
            });
        }
        let kind = row.try_get::<_, Option<&str>>(10)?.and_then(|kind| kind.parse().ok());
        if let (Some(kind), Some(stream)) = (kind, streams.last_mut()) {
            let (position, name, unit) = (row.try_get(7)?, row.try_get(8)?, row.try_get(9)?);
            stream.metrics.push(RolledMetric { position, name, unit, kind });
        }
    }
    Ok(streams)
}

/// Times of a stream, from the first on and before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The stream.
    pub stream: i32,
    /// Its first time.
    pub from: Timestamp,
    /// The time behind it.
    pub to: Timestamp,
}

/// Streams and times of reaches, a column each.
pub(super) type Columns = (Vec<i32>, (Vec<Instant>, Vec<Instant>));

pub(super) fn columns(reaches: &[Reach]) -> Columns {
    reaches.iter().map(|reach| (reach.stream, (Instant(reach.from), Instant(reach.to)))).unzip()
}

/// A moment of a reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The number of the reach.
    pub reach: usize,
    /// When it was.
    pub at: Timestamp,
    values: Vec<Option<f64>>,
    quality: Option<Vec<Option<i16>>>,
}

impl Moment {
    /// The reading at a position.
    pub fn reading(&self, position: i16) -> Option<Observation> {
        let position = usize::try_from(position).ok()?;
        let value = self.values.get(position).copied().flatten()?;
        let code = self.quality.as_ref().and_then(|codes| codes.get(position).copied().flatten());
        Some(Observation { at: self.at, value, quality: Quality::from_code(code.unwrap_or_default()) })
    }
}

/// Nothing is sorted that an index has in order, whatever the planner believes of a stream's length.
const IN_ORDER: &str = "
    set local jit = off; set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off;
    set local enable_hashjoin = off; set local enable_mergejoin = off";
const ANY_ORDER: &str = "
    set local enable_seqscan = on; set local enable_bitmapscan = on; set local enable_sort = on;
    set local enable_hashjoin = on; set local enable_mergejoin = on";

/// The rows that a statement gives which reads by indexes alone; one that writes gives none.
pub(super) async fn query_in_order(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    transaction.0.batch_execute(IN_ORDER).await?;
    let rows = transaction.query(sql, parameters).await?;
    transaction.0.batch_execute(ANY_ORDER).await?;
    Ok(rows)
}

/// The moments of reaches, in their order, at most so many.
///
/// # Errors
/// [`StoreError`]
pub async fn moments(
    transaction: &Transaction<'_>,
    reaches: &[Reach],
    most: i64,
) -> Result<Vec<Moment>, StoreError> {
    let sql = r#"
        select reach.number, r.observed_at, r."values", r.quality
        from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) with ordinality as reach (stream, first, behind, number)
        cross join lateral (
            select observed_at, "values", quality from moment
            where stream_id = reach.stream and observed_at >= reach.first and observed_at < reach.behind
            order by observed_at limit $4) r
        order by reach.number, r.observed_at limit $4"#;
    let (streams, (from, to)) = columns(reaches);
    let rows = query_in_order(transaction, sql, &[&streams, &from, &to, &most]).await?;
    let moment = |row: &Row| {
        let number: i64 = row.try_get(0)?;
        Ok(Moment {
            reach: usize::try_from(number - 1).unwrap_or_default(),
            at: row.try_get(1)?,
            values: row.try_get(2)?,
            quality: row.try_get(3)?,
        })
    };
    rows.iter().map(moment).collect()
}

/// An hour of a stream that is rolled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolledHour {
    /// The stream.
    pub stream: i32,
    /// When it begins.
    pub hour: Timestamp,
}

/// The hours of reaches that are rolled up and have values, by reach and time: `of_each` of one, and `most` of all, at most.
///
/// # Errors
/// [`StoreError`]
pub async fn rolled_hours(
    transaction: &Transaction<'_>,
    reaches: &[Reach],
    (of_each, most): (i64, i64),
) -> Result<Vec<RolledHour>, StoreError> {
    let sql = "
        select reach.stream, r.hour
        from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) with ordinality as reach (stream, first, behind, number)
        cross join lateral (
            select one.hour
            from metric m
            cross join lateral (
                select hour from rollup_hour
                where stream_id = reach.stream and position = m.position and hour >= reach.first and hour < reach.behind
                order by hour limit $4) one
            where m.stream_id = reach.stream
            group by one.hour order by one.hour limit $4) r
        order by reach.number, r.hour limit $5";
    let (streams, (from, to)) = columns(reaches);
    let rows = query_in_order(transaction, sql, &[&streams, &from, &to, &of_each, &most]).await?;
    rows.iter().map(|row| Ok(RolledHour { stream: row.try_get(0)?, hour: row.try_get(1)? })).collect()
}

/// The columns of a part.
pub(super) const PART: &str = "bad, n, sum, min, max, first_at, first, last_at, last, rise, changes, seconds, integral, sin_sum, cos_sum";

/// The part of an hour of a reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HourPart {
    /// The number of the reach.
    pub reach: usize,
    /// The position of the metric.
    pub position: i16,
    /// When the hour begins.
    pub hour: Timestamp,
    /// The part.
    pub part: Part,
}

/// The parts of the hours of reaches, by reach, position and time.
///
/// # Errors
/// [`StoreError`]
pub async fn parts_of_hours(
    transaction: &Transaction<'_>,
    reaches: &[Reach],
) -> Result<Vec<HourPart>, StoreError> {
    let sql = format!(
        "select reach.number, m.position, r.hour, {PART}
         from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) with ordinality as reach (stream, begins, ends, number)
         join metric m on m.stream_id = reach.stream
         cross join lateral (
             select * from rollup_hour
             where stream_id = reach.stream and position = m.position and hour >= reach.begins and hour < reach.ends offset 0) r
         order by reach.number, m.position, r.hour"
    );
    let (streams, (from, to)) = columns(reaches);
    let rows = query_in_order(transaction, &sql, &[&streams, &from, &to]).await?;
    let of_hour = |row: &Row| {
        let number: i64 = row.try_get(0)?;
        Ok(HourPart {
            reach: usize::try_from(number - 1).unwrap_or_default(),
            position: row.try_get(1)?,
            hour: row.try_get(2)?,
            part: part(row, 3)?,
        })
    };
    rows.iter().map(of_hour).collect()
}

/// The part in the columns from `first` on ([`PART`]).
fn part(row: &Row, first: usize) -> Result<Part, Error> {
    let count = |at| row.try_get::<_, i64>(first + at).map(i64::unsigned_abs);
    let (bad, n) = (count(0)?, count(1)?);
    if n == 0 {
        return Ok(Part { bad, values: None });
    }
    let number = |at| row.try_get::<_, f64>(first + at);
    let sum = |at| row.try_get::<_, Option<f64>>(first + at);
    let point =
        |at| Ok::<_, Error>(Point { at: row.try_get(first + at)?, value: row.try_get(first + at + 1)? });
    let values = Values {
        n,
        sum: sum(2)?,
        min: number(3)?,
        max: number(4)?,
        first: point(5)?,
        last: point(7)?,
        rise: sum(9)?,
        changes: count(10)?,
        covered: SignedDuration::from_micros((number(11)? * 1e6).round() as i64),
        integral: sum(12)?,
        sin_sum: number(13)?,
        cos_sum: number(14)?,
    };
    Ok(Part { bad, values: Some(values) })
}

/// Which rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rolled {
    /// Of hours of UTC.
    Hours,
    /// Of civil days.
    Days,
}

/// The spans of a series that are rolled up, begin at `from` or later and before `until`, and have readings, in their order, at most so many.
///
/// # Errors
/// Those of the database.
pub async fn spans(
    client: &Client,
    (rolled, stream, metric): (Rolled, &Stream, &Metric),
    (from, until): (Timestamp, Timestamp),
    most: i64,
) -> Result<Vec<(Span, Part)>, Error> {
    let sql = match rolled {
        Rolled::Hours => format!(
            "select hour, hour + interval '1 hour', {PART} from rollup_hour
             where stream_id = $1 and position = $2 and hour >= $3 and hour < $4 order by hour limit $5"
        ),
        Rolled::Days => format!(
            "select from_at, to_at, {PART} from rollup_day
             where stream_id = $1 and position = $2 and from_at >= $3 and from_at < $4 order by from_at limit $5"
        ),
    };
    let position = i16::try_from(metric.position).unwrap_or(i16::MAX);
    let statement = client.prepare_cached(&sql).await?;
    let rows =
        client.query(&statement, &[&stream.id, &position, &Instant(from), &Instant(until), &most]).await?;
    rows.iter().map(|row| Ok((Span { from: row.try_get(0)?, to: row.try_get(1)? }, part(row, 2)?))).collect()
}

/// The zone by which the days of a stream's device were rolled up last; `None` where none were.
///
/// # Errors
/// Those of the database.
pub async fn zone_of(client: &Client, stream: &Stream) -> Result<Option<String>, Error> {
    let sql = "select d.zone from stream s join device d on d.id = s.device_id where s.id = $1";
    let row = client.query_opt(sql, &[&stream.id]).await?;
    row.map_or(Ok(None), |row| row.try_get(0))
}

/// The last value of a series that was measured at `from` or later and before `to`, by its moments; one of quality bad is none.
///
/// # Errors
/// Those of the database.
pub async fn last_moment(
    client: &Client,
    (stream, metric): (&Stream, &Metric),
    (from, to): (Timestamp, Timestamp),
) -> Result<Option<Point>, Error> {
    let sql = r#"
        select observed_at, "values"[$2 + 1] from moment
        where stream_id = $1 and observed_at >= $3 and observed_at < $4
          and "values"[$2 + 1] is not null and coalesce(quality[$2 + 1], 0) < 2
        order by observed_at desc limit 1"#;
    let position = i32::try_from(metric.position).unwrap_or(i32::MAX - 1);
    let row = client.query_opt(sql, &[&stream.id, &position, &Instant(from), &Instant(to)]).await?;
    row.map(|row| Ok(Point { at: row.try_get(0)?, value: row.try_get(1)? })).transpose()
}

/// The last value of a series in a span that is rolled up and begins before `at`.
///
/// # Errors
/// Those of the database.
pub async fn last_before(
    client: &Client,
    (rolled, stream, metric): (Rolled, &Stream, &Metric),
    at: Timestamp,
) -> Result<Option<Point>, Error> {
    let sql = match rolled {
        Rolled::Hours => {
            "select last_at, last from rollup_hour
             where stream_id = $1 and position = $2 and hour < $3 and n > 0 order by hour desc limit 1"
        }
        Rolled::Days => {
            "select last_at, last from rollup_day
             where stream_id = $1 and position = $2 and from_at < $3 and n > 0 order by from_at desc limit 1"
        }
    };
    let position = i16::try_from(metric.position).unwrap_or(i16::MAX);
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_opt(&statement, &[&stream.id, &position, &Instant(at)]).await?;
    row.map(|row| Ok(Point { at: row.try_get(0)?, value: row.try_get(1)? })).transpose()
}

/// The parts of days of a zone that streams have and that begin at `from` or later and before `to`, by stream, position and time.
///
/// # Errors
/// [`StoreError`]
pub async fn parts_of_days(
    transaction: &Transaction<'_>,
    (streams, zone): (&[i32], &str),
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(i32, i16, Span, Part)>, StoreError> {
    let sql = format!(
        "select m.stream_id, m.position, r.from_at, r.to_at, {PART}
         from unnest($1::integer[]) as stream (id)
         join metric m on m.stream_id = stream.id
         cross join lateral (
             select * from rollup_day
             where stream_id = stream.id and position = m.position and from_at >= $3 and from_at < $4 and zone = $2 offset 0) r
         order by m.stream_id, m.position, r.from_at"
    );
    let rows = query_in_order(transaction, &sql, &[&streams, &zone, &Instant(from), &Instant(to)]).await?;
    let of_day = |row: &Row| {
        let span = Span { from: row.try_get(2)?, to: row.try_get(3)? };
        Ok((row.try_get(0)?, row.try_get(1)?, span, part(row, 4)?))
    };
    rows.iter().map(of_day).collect()
}
