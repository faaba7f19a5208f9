//! Rollups: what the readings of hours and days leave, and which hours are to be rolled up again.
//!
//! ```text
//! writer   ─ moments; hours that may have been rolled up ──> rollup_due ─ commit
//! roller   ─ reads rollup_due ─ then the moments ─ writes rollup_hour, rollup_day ─ takes away what it has read ─ commit
//! ```
//!
//! Whether an hour may have been rolled up is a question of time alone: it may where its end was [`LATENESS`] ago. The roller waits until that is
//! so by the clock of the database and every transaction has ended that began before, so that what it does not see is in `rollup_due`.
//! A token there is another one after every write: what is written while the roller reads stays due.

use std::collections::BTreeSet;

use deadpool_postgres::{Client, GenericClient};
use event_model::Quality;
use event_model::reading::ValueKind;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use postgres_types::ToSql;
use retention::{ALL, LATENESS};
use rollups::{Observation, Part, Point, Span, Values, hour_of};
use tokio_postgres::{Error, Row, Statement};

use crate::export::{Metric, Stream};
use crate::sent::Instant;
use crate::{StoreError, Transaction};

/// No reading is older than this: the first second of the year 1.
pub const EARLIEST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// $1 streams, $2 hours, in the order of both.
pub(crate) const REQUEST: &str = "
    insert into rollup_due (stream_id, hour, token)
    select stream_id, hour, nextval('rollup_token') from unnest($1::integer[], $2::timestamptz[]) as due (stream_id, hour)
    on conflict (stream_id, hour) do update set token = excluded.token";

/// The hours of these moments, by stream, that a transaction may find rolled up which begins at `until` at the latest.
pub(crate) fn hours_to_roll(
    moments: impl IntoIterator<Item = (i32, Timestamp)>,
    until: Timestamp,
) -> BTreeSet<(i32, Timestamp)> {
    let newest = until.saturating_sub(LATENESS).unwrap_or(until);
    let mut hours = BTreeSet::new();
    for (stream, at) in moments.into_iter().filter(|(_, at)| *at < newest) {
        let hour = hour_of(at);
        if hour.to < newest {
            hours.insert((stream, hour.from));
        }
    }
    hours
}

/// Has hours rolled up again, with the commit.
pub(crate) async fn request(
    client: &impl GenericClient,
    statement: &Statement,
    hours: &BTreeSet<(i32, Timestamp)>,
) -> Result<(), Error> {
    if hours.is_empty() {
        return Ok(());
    }
    let (streams, hours): (Vec<i32>, Vec<Instant>) =
        hours.iter().map(|(stream, hour)| (*stream, Instant(*hour))).unzip();
    client.execute(statement, &[&streams, &hours]).await?;
    Ok(())
}

/// As [`request`], in a transaction.
pub(crate) async fn request_in(
    transaction: &Transaction<'_>,
    hours: &BTreeSet<(i32, Timestamp)>,
) -> Result<(), StoreError> {
    let statement = transaction.0.prepare_cached(REQUEST).await?;
    Ok(request(&transaction.0, &statement, hours).await?)
}

/// How far everything is rolled up; `None` before the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RolledTo {
    /// Hours that ended by then.
    pub hours: Option<Timestamp>,
    /// Days that ended by then.
    pub days: Option<Timestamp>,
}

/// How far everything is rolled up. Nobody else rolls up, and no stream goes, before the transaction has ended.
///
/// # Errors
/// [`StoreError`]
pub async fn hold(transaction: &Transaction<'_>) -> Result<RolledTo, StoreError> {
    let rows = transaction.query("select hours_to, days_to from rollup_progress for update", &[]).await?;
    rows.first().map_or(Ok(RolledTo::default()), rolled_to_of)
}

/// How far everything is rolled up.
///
/// # Errors
/// [`StoreError`]
pub async fn rolled_to(client: &impl GenericClient) -> Result<RolledTo, StoreError> {
    rolled_to_of(&client.query_one("select hours_to, days_to from rollup_progress", &[]).await?)
}

/// The same within a transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn rolled_to_in(transaction: &Transaction<'_>) -> Result<RolledTo, StoreError> {
    rolled_to(&transaction.0).await
}

fn rolled_to_of(row: &Row) -> Result<RolledTo, StoreError> {
    Ok(RolledTo { hours: row.try_get(0)?, days: row.try_get(1)? })
}

/// Notes how far everything is rolled up.
///
/// # Errors
/// [`StoreError`]
pub async fn set_rolled_to(transaction: &Transaction<'_>, to: RolledTo) -> Result<(), StoreError> {
    let sql = "update rollup_progress set hours_to = $1, days_to = $2";
    transaction.execute(sql, &[&to.hours, &to.days]).await?;
    Ok(())
}

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
         left join metric m on m.stream_id = s.id and m.kind in ('number', 'flag')
         order by s.id, m.position"
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
type Columns = (Vec<i32>, (Vec<Instant>, Vec<Instant>));

fn columns(reaches: &[Reach]) -> Columns {
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
async fn query_in_order(
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
    /// How many moments it has at least.
    pub moments: u64,
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
        select reach.stream, r.hour, r.moments
        from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) with ordinality as reach (stream, first, behind, number)
        cross join lateral (
            select one.hour, max(one.moments) as moments
            from metric m
            cross join lateral (
                select hour, n + bad as moments from rollup_hour
                where stream_id = reach.stream and position = m.position and hour >= reach.first and hour < reach.behind
                order by hour limit $4) one
            where m.stream_id = reach.stream
            group by one.hour order by one.hour limit $4) r
        order by reach.number, r.hour limit $5";
    let (streams, (from, to)) = columns(reaches);
    let rows = query_in_order(transaction, sql, &[&streams, &from, &to, &of_each, &most]).await?;
    let hour = |row: &Row| {
        let moments: i64 = row.try_get(2)?;
        Ok(RolledHour { stream: row.try_get(0)?, hour: row.try_get(1)?, moments: moments.unsigned_abs() })
    };
    rows.iter().map(hour).collect()
}

/// The columns of a part.
const PART: &str = "bad, n, sum, min, max, first_at, first, last_at, last, rise, changes, seconds, integral, sin_sum, cos_sum";

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

/// A part and where it stands: an hour, or a day of a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct PartRow<'a> {
    /// Stream and times.
    pub reach: Reach,
    /// The position of the metric.
    pub position: i16,
    /// The date and the zone; none of an hour.
    pub day: Option<(Date, &'a str)>,
    /// The part.
    pub part: Part,
}

/// A row as it is sent.
#[derive(Debug, ToSql)]
#[postgres(name = "rollup_part")]
struct SentPart<'a> {
    stream_id: i32,
    position: i16,
    from_at: Instant,
    to_at: Instant,
    day: Option<Date>,
    zone: Option<&'a str>,
    bad: i64,
    n: i64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    first_at: Option<Instant>,
    first: Option<f64>,
    last_at: Option<Instant>,
    last: Option<f64>,
    rise: Option<f64>,
    changes: Option<i64>,
    seconds: Option<f64>,
    integral: Option<f64>,
    sin_sum: Option<f64>,
    cos_sum: Option<f64>,
}

impl<'a> From<&PartRow<'a>> for SentPart<'a> {
    fn from(row: &PartRow<'a>) -> Self {
        let PartRow { reach, position, day, part: Part { bad, values } } = row;
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            stream_id: reach.stream,
            position: *position,
            from_at: Instant(reach.from),
            to_at: Instant(reach.to),
            day: day.map(|(date, _)| date),
            zone: day.map(|(_, zone)| zone),
            bad: count(*bad),
            n: values.map_or(0, |values| count(values.n)),
            sum: values.and_then(|values| values.sum),
            min: values.map(|values| values.min),
            max: values.map(|values| values.max),
            first_at: values.map(|values| Instant(values.first.at)),
            first: values.map(|values| values.first.value),
            last_at: values.map(|values| Instant(values.last.at)),
            last: values.map(|values| values.last.value),
            rise: values.and_then(|values| values.rise),
            changes: values.map(|values| count(values.changes)),
            seconds: values.map(|values| values.covered.as_secs_f64()),
            integral: values.and_then(|values| values.integral),
            sin_sum: values.map(|values| values.sin_sum),
            cos_sum: values.map(|values| values.cos_sum),
        }
    }
}

/// Writes the parts of hours in place of all that is there of these hours.
///
/// # Errors
/// [`StoreError`]
pub async fn replace_hours(
    transaction: &Transaction<'_>,
    hours: &[(i32, Timestamp)],
    parts: &[PartRow<'_>],
) -> Result<(), StoreError> {
    let gone = "
        delete from rollup_hour r
        using unnest($1::integer[], $2::timestamptz[]) as gone (stream_id, hour)
        where r.stream_id = gone.stream_id and r.hour = gone.hour
          and r.position = any(array(select position from metric m where m.stream_id = gone.stream_id))";
    let (streams, times): (Vec<i32>, Vec<Instant>) =
        hours.iter().map(|(stream, hour)| (*stream, Instant(*hour))).unzip();
    query_in_order(transaction, gone, &[&streams, &times]).await?;
    let sql = format!(
        "insert into rollup_hour (stream_id, position, hour, {PART}) select stream_id, position, from_at, {PART} from unnest($1::rollup_part[])"
    );
    insert(transaction, &sql, parts).await
}

/// Writes the parts of days in place of all that is there of these times, of whatever zone.
///
/// # Errors
/// [`StoreError`]
pub async fn replace_days(
    transaction: &Transaction<'_>,
    days: &[Reach],
    parts: &[PartRow<'_>],
) -> Result<(), StoreError> {
    // No day is longer than two.
    let gone = "
        delete from rollup_day r
        using unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) as gone (stream_id, first, behind)
        where r.stream_id = gone.stream_id
          and r.position = any(array(select position from metric m where m.stream_id = gone.stream_id))
          and r.from_at > gone.first - interval '2 days' and r.from_at < gone.behind and r.to_at > gone.first";
    let (streams, (from, to)) = columns(days);
    query_in_order(transaction, gone, &[&streams, &from, &to]).await?;
    let sql = format!(
        "insert into rollup_day (stream_id, position, from_at, to_at, day, zone, {PART})
         select stream_id, position, from_at, to_at, day, zone, {PART} from unnest($1::rollup_part[])"
    );
    insert(transaction, &sql, parts).await
}

async fn insert(transaction: &Transaction<'_>, sql: &str, parts: &[PartRow<'_>]) -> Result<(), StoreError> {
    if !parts.is_empty() {
        let sent: Vec<SentPart<'_>> = parts.iter().map(SentPart::from).collect();
        transaction.execute(sql, &[&sent]).await?;
    }
    Ok(())
}

/// An hour that is to be rolled up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueHour {
    /// The stream.
    pub stream: i32,
    /// When it begins.
    pub hour: Timestamp,
    token: i64,
}

/// The hours before `before` that are due, behind a stream and an hour of it, at most so many.
///
/// # Errors
/// [`StoreError`]
pub async fn due(
    transaction: &Transaction<'_>,
    (stream, hour): (i32, Timestamp),
    before: Timestamp,
    most: i64,
) -> Result<Vec<DueHour>, StoreError> {
    let sql = "
        select stream_id, hour, token from rollup_due where (stream_id, hour) > ($1, $2) and hour < $3
        order by stream_id, hour limit $4";
    let rows = transaction.query(sql, &[&stream, &Instant(hour), &Instant(before), &most]).await?;
    let due =
        |row: &Row| Ok(DueHour { stream: row.try_get(0)?, hour: row.try_get(1)?, token: row.try_get(2)? });
    rows.iter().map(due).collect()
}

/// Notes that these are rolled up; what was written since they were read stays due.
///
/// # Errors
/// [`StoreError`]
pub async fn settle(transaction: &Transaction<'_>, due: &[DueHour]) -> Result<(), StoreError> {
    let sql = "
        delete from rollup_due d using unnest($1::integer[], $2::timestamptz[], $3::bigint[]) as done (stream_id, hour, token)
        where d.stream_id = done.stream_id and d.hour = done.hour and d.token = done.token";
    let streams: Vec<i32> = due.iter().map(|due| due.stream).collect();
    let hours: Vec<Instant> = due.iter().map(|due| Instant(due.hour)).collect();
    let tokens: Vec<i64> = due.iter().map(|due| due.token).collect();
    transaction.execute(sql, &[&streams, &hours, &tokens]).await?;
    Ok(())
}

/// Has the days of devices rolled up by another zone.
///
/// # Errors
/// [`StoreError`]
pub async fn change_zones(transaction: &Transaction<'_>, devices: &[(i32, &str)]) -> Result<(), StoreError> {
    let (ids, zones): (Vec<i32>, Vec<&str>) = devices.iter().copied().unzip();
    // In the order in which writers take them: a device, then what is due.
    let known = "select id from device where id = any($1) and zone is not null order by id for no key update";
    let known = transaction.query(known, &[&ids]).await?;
    let known: Vec<i32> = known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let sql = "
        update device d set zone = new.zone from unnest($1::integer[], $2::text[]) as new (id, zone) where d.id = new.id";
    transaction.execute(sql, &[&ids, &zones]).await?;
    let streams = transaction.query("select id from stream where device_id = any($1)", &[&known]).await?;
    let streams: Vec<i32> = streams.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    request_days(transaction, &streams).await
}

/// Has all days of streams rolled up again: of what is between the first and the last hour of each, an hour in twelve lies on every day.
///
/// # Errors
/// [`StoreError`]
pub(crate) async fn request_days(transaction: &Transaction<'_>, streams: &[i32]) -> Result<(), StoreError> {
    let hours = "
        insert into rollup_due (stream_id, hour, token)
        select stream_id, hour, nextval('rollup_token')
        from (select ends.stream_id, hour
              from (select m.stream_id, min(e.first) as first, max(e.last) as last
                    from metric m
                    cross join lateral (
                        select (select min(hour) from rollup_hour where stream_id = m.stream_id and position = m.position) as first,
                               (select max(hour) from rollup_hour where stream_id = m.stream_id and position = m.position) as last) e
                    where m.stream_id = any($1) and e.first is not null
                    group by m.stream_id) as ends
              cross join lateral (select generate_series(first, last, interval '12 hours') union select last) as hours (hour)
              order by 1, 2) as due
        on conflict (stream_id, hour) do update set token = excluded.token";
    transaction.execute(hours, &[&streams]).await?;
    Ok(())
}

/// Hours of reaches that are to be rolled up again, by reach and time.
///
/// # Errors
/// [`StoreError`]
pub async fn due_within(
    transaction: &Transaction<'_>,
    reaches: &[Reach],
) -> Result<Vec<(i32, Timestamp)>, StoreError> {
    let sql = "
        select r.stream_id, r.hour
        from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) as reach (stream, first, behind)
        join rollup_due r on r.stream_id = reach.stream and r.hour >= reach.first and r.hour < reach.behind
        order by r.stream_id, r.hour";
    let (streams, (from, to)) = columns(reaches);
    let rows = transaction.query(sql, &[&streams, &from, &to]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
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

/// Notes how the values of metrics become one: name, kind, aggregate, and gap.
///
/// # Errors
/// [`StoreError`]
pub async fn set_aggregates(
    transaction: &Transaction<'_>,
    aggregates: &BTreeSet<(String, &'static str, &'static str, SignedDuration)>,
) -> Result<(), StoreError> {
    let sql = "
        insert into metric_aggregate as known (name, kind, aggregate, gap)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::float8[]) as new (name, kind, aggregate, gap)
        on conflict (name, kind) do update set aggregate = excluded.aggregate, gap = excluded.gap
        where (known.aggregate, known.gap) <> (excluded.aggregate, excluded.gap)";
    let of = || aggregates.iter();
    let names: Vec<&str> = of().map(|(name, ..)| name.as_str()).collect();
    let kinds: Vec<&str> = of().map(|(_, kind, ..)| *kind).collect();
    let words: Vec<&str> = of().map(|(_, _, aggregate, _)| *aggregate).collect();
    let gaps: Vec<f64> = of().map(|(.., gap)| gap.as_secs_f64()).collect();
    transaction.execute(sql, &[&names, &kinds, &words, &gaps]).await?;
    Ok(())
}

/// Copies what is left of readings that are gone from a stream to another, each position to the one that stands in its place, where the other has none. What
/// there is of readings is rolled up anew.
pub(crate) async fn move_frozen(
    transaction: &Transaction<'_>,
    (from, to): (i32, i32),
    positions: &[usize],
) -> Result<(), StoreError> {
    let positions: Vec<i16> =
        positions.iter().map(|position| i16::try_from(*position).unwrap_or(i16::MAX)).collect();
    let frozen = "
        (select coalesce(max(f.frozen_at), '-infinity') from stream s join device d on d.id = s.device_id
         join retention_floor f on f.source in (d.source, $4) where s.id = $1)";
    let hours = format!(
        "insert into rollup_hour (stream_id, position, hour, {PART})
         select $2, there.position, hour, {PART}
         from rollup_hour r join unnest($3::smallint[]) with ordinality as there (position, number) on there.number = r.position + 1
         where r.stream_id = $1 and r.hour < {frozen}
         on conflict do nothing"
    );
    transaction.execute(&hours, &[&from, &to, &positions, &ALL]).await?;
    // Days that are not made of hours.
    let days = format!(
        "insert into rollup_day (stream_id, position, from_at, to_at, day, zone, {PART})
         select $2, there.position, from_at, to_at, day, zone, {PART}
         from rollup_day r join unnest($3::smallint[]) with ordinality as there (position, number) on there.number = r.position + 1
         where r.stream_id = $1 and r.from_at < {frozen}
           and not exists (select from rollup_day o where o.stream_id = $2 and o.position = there.position
                           and o.from_at < r.to_at and o.to_at > r.from_at)"
    );
    transaction.execute(&days, &[&from, &to, &positions, &ALL]).await?;
    request_days(transaction, &[to]).await
}

/// Notes of floors that the hours below were rolled up for the last time; whether that is so of all. It is not where something below one is still
/// to be rolled up.
///
/// # Errors
/// [`StoreError`]
pub async fn freeze(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    let sql = "
        update retention_floor f set frozen_at = date_trunc('hour', at + interval '59 minutes 59.999999 seconds', 'UTC')
        where coalesce(frozen_at < at, true) and at <= (select hours_to from rollup_progress)
          and not exists (
              select from rollup_due r join stream s on s.id = r.stream_id join device d on d.id = s.device_id
              where r.hour < f.at and f.source in (d.source, $1))";
    transaction.execute(sql, &[&ALL]).await?;
    let open = transaction
        .query("select from retention_floor where coalesce(frozen_at < at, true) limit 1", &[])
        .await?;
    Ok(open.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::hours_to_roll;

    #[test]
    fn an_hour_that_may_have_been_rolled_up_is_due_once_for_each_stream() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let moments = [
            (1, at("2026-11-01T09:59:59Z")),
            (1, at("2026-11-01T09:00:00Z")),
            (1, at("2026-11-01T10:00:00Z")),
            (2, at("2026-11-01T09:59:59.999999Z")),
        ];
        let due = |until| hours_to_roll(moments, at(until)).into_iter().collect::<Vec<_>>();
        // A transaction that begins 15 minutes after the end of the hour is the last that the roller waits for.
        assert_eq!(due("2026-11-01T10:15:00Z"), []);
        let nine = at("2026-11-01T09:00:00Z");
        assert_eq!(due("2026-11-01T10:15:00.000001Z"), [(1, nine), (2, nine)]);
        assert_eq!(due("2026-11-01T11:15:01Z").len(), 3);
    }
}
