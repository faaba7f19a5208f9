//! Which hours are to be rolled up, or are again.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use retention::LATENESS;
use rollups::hour_of;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Error, Row, Statement};

use super::read::{Reach, columns};
use crate::sent::Instant;
use crate::{StoreError, Transaction};

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

/// An hour that is to be rolled up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
