//! Parts of hours and days, as they are kept.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use postgres_types::ToSql;
use retention::ALL;
use rollups::Part;

use super::due::request_days;
use super::read::{PART, Reach, columns, query_in_order};
use crate::sent::Instant;
use crate::{StoreError, Transaction};

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
