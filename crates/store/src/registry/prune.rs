//! Series that have no values any more, since what gave them was read again and gives them no longer.
//!
//! ```text
//! empty ── its moments, page by page: has any of them a value of it?
//! begin ── no: alerts that fire on it are to end; the next evaluation ends them ─ commit
//! take_away ── nobody stores readings meanwhile, and none has a value: its states, rollups and name ─ commit
//! of a stream of which nothing is left: its moments, page by page, the stream, and its device
//! ```
//!
//! Positions are never given a second time: who writes remembers what they mean, releases before this one too.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use crate::sent::Instant;
use crate::writer::tables;
use crate::{EvaluationRequest, StoreError, Transaction, name_generation, rollups};

/// Moments that are looked at in one statement: none reads moments for long.
const PAGE: i64 = 50_000;
/// Moments that go in one transaction.
const MOMENTS: i64 = 1000;
/// How long readings of all wait at most for the look whether a series has got a value meanwhile.
const LOOK: &str = "set local statement_timeout = 2000";

/// What was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Pruned {
    /// Series.
    pub series: u64,
    /// Devices of which nothing was left.
    pub devices: u64,
    /// Series whose alerts end first.
    pub waiting: u64,
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.devices += other.devices;
        self.waiting += other.waiting;
    }
}

/// The positions of a stream of which no moment has a value, but for those that were pruned; in order.
///
/// # Errors
/// Those of the database.
pub async fn empty(client: &impl GenericClient, stream: i32) -> Result<Vec<i16>, Error> {
    let sql = "select position from metric where stream_id = $1 and name <> 'pruned ' || position order by position";
    let rows = client.query(sql, &[&stream]).await?;
    let mut left: Vec<i16> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let sql = r#"
        with page as materialized (
            select observed_at, "values", texts from moment
            where stream_id = $1 and observed_at > coalesce($2::timestamptz, '-infinity') order by observed_at limit $3)
        select count(*), max(observed_at),
               array(select distinct (v.number - 1)::smallint
                     from page cross join lateral unnest("values", texts) with ordinality as v (value, text, number)
                     where v.value is not null or v.text is not null)
        from page"#;
    let statement = client.prepare_cached(sql).await?;
    let mut behind: Option<Timestamp> = None;
    while !left.is_empty() {
        let row = client.query_one(&statement, &[&stream, &behind.map(Instant), &PAGE]).await?;
        let with_values: Vec<i16> = row.try_get(2)?;
        left.retain(|position| !with_values.contains(position));
        behind = row.try_get(1)?;
        if row.try_get::<_, i64>(0)? < PAGE {
            break;
        }
    }
    Ok(left)
}

/// Has alerts end that fire on series without values, with the next evaluation; how many do.
///
/// # Errors
/// [`StoreError`]
pub async fn begin(
    transaction: &Transaction<'_>,
    (stream, positions): (i32, &[i16]),
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sql = "
        update metric m set emptied_at = $3
        where stream_id = $1 and position = any($2)
          and exists (select from alert_state a where a.stream_id = $1 and a.position = m.position and a.status = 'firing')";
    let firing = transaction.execute(sql, &[&stream, &positions, &now]).await?;
    if firing > 0 {
        let requests = [EvaluationRequest { stream_id: stream, from_at: now }];
        tables::request_evaluation(transaction, std::iter::once((None, requests.as_slice()))).await?;
    }
    Ok(firing)
}

/// Takes away what there is of series without values, but for those whose alerts fire, or whose notifications wait.
///
/// # Errors
/// [`StoreError`]; where another's transaction, or the look, takes too long the whole may be tried again.
pub async fn take_away(
    transaction: &Transaction<'_>,
    (stream, positions): (i32, &[i16]),
) -> Result<Pruned, StoreError> {
    name_generation::begin(transaction).await?;
    rollups::hold(transaction).await?;
    super::hold_streams(transaction, &[stream]).await?;
    transaction.0.batch_execute(LOOK).await?;
    // What was rolled up for the last time stands for readings that are gone.
    let sql = r#"
        select m.position,
               exists (select from alert_state a where a.stream_id = $1 and a.position = m.position and a.status = 'firing')
               or exists (select from alert_transition t join notification n on n.transition_id = t.id
                          where t.stream_id = $1 and t.position = m.position and n.status in ('pending', 'repeating'))
        from metric m join stream s on s.id = m.stream_id join device d on d.id = s.device_id
        where m.stream_id = $1 and m.position = any($2)
          and not exists (select from moment o where o.stream_id = $1
                          and (o."values"[m.position + 1] is not null or o.texts[m.position + 1] is not null))
          and not exists (
              select from rollup_hour r where r.stream_id = $1 and r.position = m.position and r.n > 0
              and r.hour < (select max(frozen_at) from retention_floor f where f.source in ('', d.source)))"#;
    let rows = transaction.query(sql, &[&stream, &positions]).await?;
    let (mut gone, mut waiting): (Vec<i16>, u64) = (Vec::new(), 0);
    for row in &rows {
        if row.try_get(1)? {
            waiting += 1;
        } else {
            gone.push(row.try_get(0)?);
        }
    }
    for sql in [
        "delete from alert_state where stream_id = $1 and position = any($2)",
        "delete from rollup_hour where stream_id = $1 and position = any($2)",
        "delete from rollup_day where stream_id = $1 and position = any($2)",
    ] {
        transaction.execute(sql, &[&stream, &gone]).await?;
    }
    let sql = "
        update metric set name = 'pruned ' || position, unit = '', kind = 'number' where stream_id = $1 and position = any($2)";
    let series = transaction.execute(sql, &[&stream, &gone]).await?;
    Ok(Pruned { series, devices: 0, waiting })
}

/// Whether nothing is left of a stream but moments without values.
///
/// # Errors
/// Those of the database.
pub async fn is_bare(client: &impl GenericClient, stream: i32) -> Result<bool, Error> {
    let sql = "
        select exists (select from stream where id = $1)
           and not exists (select from metric where stream_id = $1 and name <> 'pruned ' || position)";
    client.query_one(sql, &[&stream]).await?.try_get(0)
}

/// Takes away the next moments of a bare stream; whether there may be more.
///
/// # Errors
/// [`StoreError`]
pub async fn moments(transaction: &Transaction<'_>, stream: i32) -> Result<bool, StoreError> {
    let sql = r#"
        delete from moment m
        where m.stream_id = $1
          and m.observed_at in (select observed_at from moment where stream_id = $1 order by observed_at limit $2)
          and not exists (select from unnest(m."values", m.texts) as v (value, text) where v.value is not null or v.text is not null)"#;
    let gone = transaction.execute(sql, &[&stream, &MOMENTS]).await?;
    Ok(i64::try_from(gone).is_ok_and(|gone| gone >= MOMENTS))
}

/// Takes away a bare stream without moments, and its device where that has no other and nobody says anything of it; whether the device went.
///
/// # Errors
/// [`StoreError`]; where another's transaction takes too long ([`StoreError::is_locked`]) the whole may be tried again.
pub async fn stream(transaction: &Transaction<'_>, stream: i32) -> Result<bool, StoreError> {
    name_generation::begin(transaction).await?;
    rollups::hold(transaction).await?;
    super::hold_streams(transaction, &[stream]).await?;
    let sql = "
        select s.device_id from stream s
        where s.id = $1 and not exists (select from moment where stream_id = $1)
          and not exists (select from metric where stream_id = $1 and name <> 'pruned ' || position)";
    let rows = transaction.query(sql, &[&stream]).await?;
    let Some(device) = rows.first().map(|row| row.try_get::<_, i32>(0)).transpose()? else {
        return Ok(false);
    };
    for sql in [
        "delete from evaluation_request where stream_id = $1",
        "delete from rollup_due where stream_id = $1",
        "delete from metric where stream_id = $1",
        "delete from stream where id = $1",
    ] {
        transaction.execute(sql, &[&stream]).await?;
    }
    let sql = "
        delete from device d
        where id = $1 and not exists (select from stream where device_id = $1) and not exists (select from device_alias where device_id = $1)
          and not exists (select from device_entry e where e.source = d.source and e.name = d.name)
          and erased_at is null and merged_into is null";
    Ok(transaction.execute(sql, &[&device]).await? > 0)
}
