//! Series that have no values any more, since what gave them was read again and gives them no longer.
//!
//! ```text
//! empty ── its moments, page by page: has any of them a value of it?
//! begin ── no: alerts that fire on it are to end; the next evaluation ends them ─ commit
//! take_away ── nobody stores readings meanwhile, and none has a value: its states, rollups and name ─ commit
//! hide ── a stream of which nothing is left: no name leads there any more ─ commit
//!   its moments, page by page; the stream, and its device
//! ```
//!
//! Positions are never given a second time: who writes remembers what they mean, releases before this one too.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use crate::pruned::{is_not_pruned, pruned_name};
use crate::sent::Instant;
use crate::writer::tables;
use crate::{EvaluationRequest, StoreError, Transaction, name_generation, rollups};

/// Moments that are looked at in one statement: none reads moments for long.
const PAGE: i64 = 50_000;
/// Moments that go in one transaction.
const MOMENTS: i64 = 1000;
/// How long another's transaction is waited for.
const LOCKS: &str = "set local lock_timeout = 2000";
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
    /// Streams with too many moments for a look while nobody stores readings.
    pub too_large: u64,
}

impl std::ops::AddAssign for Pruned {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.devices += other.devices;
        self.waiting += other.waiting;
        self.too_large += other.too_large;
    }
}

/// The positions of a stream of which no moment has a value, but for those that were pruned; in order.
///
/// # Errors
/// Those of the database.
pub async fn empty(client: &impl GenericClient, stream: i32) -> Result<Vec<i16>, Error> {
    // Streams of devices that become one are the merge's.
    let sql = concat!(
        "select position from metric m
         where stream_id = $1 and ",
        is_not_pruned!("m"),
        " and not exists (
            select from stream s join device d on d.id = s.device_id
            where s.id = $1 and (d.merged_into is not null or exists (select from device m where m.merged_into = d.id)))
          order by position"
    );
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
/// [`StoreError`]; where another's transaction is in the way the whole may be tried again, and where the look takes too long
/// ([`StoreError::is_too_large`]) nothing is taken away.
pub async fn take_away(
    transaction: &Transaction<'_>,
    (stream, positions): (i32, &[i16]),
) -> Result<Pruned, StoreError> {
    hold(transaction, stream).await?;
    transaction.0.batch_execute(LOOK).await?;
    let sql = r#"
        select distinct (v.number - 1)::smallint
        from moment o cross join lateral unnest(o."values", o.texts) with ordinality as v (value, text, number)
        where o.stream_id = $1 and (v.value is not null or v.text is not null)"#;
    let with_values = transaction.query(sql, &[&stream]).await?;
    let with_values: Vec<i16> = with_values.iter().map(|row| row.try_get(0)).collect::<Result<_, Error>>()?;
    // What was rolled up for the last time stands for readings that are gone.
    let sql = "
        select m.position,
               exists (select from alert_state a where a.stream_id = $1 and a.position = m.position and a.status = 'firing')
               or exists (select from alert_transition t join notification n on n.transition_id = t.id
                          where t.stream_id = $1 and t.position = m.position and n.status in ('pending', 'repeating'))
        from metric m join stream s on s.id = m.stream_id join device d on d.id = s.device_id
        where m.stream_id = $1 and m.position = any($2) and m.position <> all($3)
          and not exists (
              select from rollup_hour r where r.stream_id = $1 and r.position = m.position and r.n > 0
              and r.hour < (select max(frozen_at) from retention_floor f where f.source in ('', d.source)))";
    let rows = transaction.query(sql, &[&stream, &positions, &with_values]).await?;
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
    let sql = concat!(
        "update metric set name = ",
        pruned_name!("position"),
        ", unit = '', kind = 'number' where stream_id = $1 and position = any($2)"
    );
    let series = transaction.execute(sql, &[&stream, &gone]).await?;
    Ok(Pruned { series, waiting, ..Pruned::default() })
}

/// Nobody rolls the stream up or evaluates it, and then nobody stores readings, before the transaction has ended. What takes long is waited for
/// before anybody waits for this.
async fn hold(transaction: &Transaction<'_>, stream: i32) -> Result<(), StoreError> {
    transaction.0.batch_execute(LOCKS).await?;
    rollups::hold(transaction).await?;
    super::hold_streams(transaction, &[stream]).await?;
    name_generation::begin(transaction).await
}

/// Whether nothing is left of a stream but moments without values.
///
/// # Errors
/// Those of the database.
pub async fn is_bare(client: &impl GenericClient, stream: i32) -> Result<bool, Error> {
    let sql = concat!(
        "select exists (select from stream where id = $1)
           and not exists (select from metric m where m.stream_id = $1 and ",
        is_not_pruned!("m"),
        ")"
    );
    client.query_one(sql, &[&stream]).await?.try_get(0)
}

/// Has no name lead to a bare stream any more; whether it was one still. What comes by its channel is of another from then on.
///
/// # Errors
/// [`StoreError`]; where another's transaction is in the way the whole may be tried again.
pub async fn hide(transaction: &Transaction<'_>, stream: i32) -> Result<bool, StoreError> {
    hold(transaction, stream).await?;
    let sql = concat!(
        "update stream set channel = ",
        pruned_name!("id"),
        " where id = $1 and not exists (select from metric m where m.stream_id = $1 and ",
        is_not_pruned!("m"),
        ")"
    );
    Ok(transaction.execute(sql, &[&stream]).await? > 0)
}

/// Takes away the next moments of a stream that is hidden; whether there may be more.
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

/// Takes away a hidden stream without moments, and its device where that has no other and no second name; whether the device went. What people say
/// of the device stays: where it is expected it is awaited anew.
///
/// # Errors
/// [`StoreError`]; where another's transaction is in the way the whole may be tried again.
pub async fn stream(transaction: &Transaction<'_>, stream: i32) -> Result<bool, StoreError> {
    hold(transaction, stream).await?;
    let sql = concat!(
        "select device_id from stream
         where id = $1 and channel = ",
        pruned_name!("id"),
        " and not exists (select from moment where stream_id = $1)"
    );
    let rows = transaction.query(sql, &[&stream]).await?;
    let Some(device) = rows.first().map(|row| row.try_get::<_, i32>(0)).transpose()? else {
        return Ok(false);
    };
    for sql in [
        "delete from alert_state where stream_id = $1",
        "delete from evaluation_request where stream_id = $1",
        "delete from rollup_due where stream_id = $1",
        "delete from rollup_hour where stream_id = $1",
        "delete from rollup_day where stream_id = $1",
        "delete from metric where stream_id = $1",
        "delete from stream where id = $1",
    ] {
        transaction.execute(sql, &[&stream]).await?;
    }
    let sql = "
        delete from device d
        where id = $1 and not exists (select from stream where device_id = $1) and not exists (select from device_alias where device_id = $1)
          and erased_at is null and merged_into is null and not exists (select from device m where m.merged_into = d.id)
        returning source, name";
    let gone = transaction.query(sql, &[&device]).await?;
    if let Some(row) = gone.first() {
        let (source, name): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        super::expected::appear(transaction, Some((&[source], &[name]))).await?;
    }
    Ok(!gone.is_empty())
}
