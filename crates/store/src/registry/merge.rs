//! Two devices of a source become one.
//!
//! ```text
//! begin ── the names of the one lead to the other, and with them its streams of channels that this has not ─ commit
//!   ├─ moments of channels that both have: a page, merged by the usual order, a transaction ─ again, until none is left
//!   └─ end: its alert states, series, streams, and itself
//! ```
//!
//! What was begun is found again by the device that it becomes ([`resume`]).

use std::borrow::Cow;
use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::take_away;
use crate::device_name::NEVER;
use crate::sent::Instant;
use crate::streams::MAX_METRICS;
use crate::writer::{Premises, statements, tables};
use crate::{MomentRow, StoreError, Transaction, name_generation, pruned, rollups};

/// Moments that move in one transaction.
const MOMENTS: i64 = 1000;

/// Why two devices do not become one.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The device that would go has alerts that are firing: nobody would hear of their end.
    #[error("{0} alerts of it are firing")]
    Firing(i64),
    /// A channel of both would have more metrics than one may have.
    #[error("a channel of both would have more than {MAX_METRICS} metrics")]
    TooManyMetrics,
}

impl From<Error> for MergeError {
    fn from(error: Error) -> Self {
        Self::Store(error.into())
    }
}

/// A stream whose moments move to another, and where the value at each of its positions stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    from: i32,
    to: i32,
    positions: Vec<usize>,
}

/// Devices of a source that have become one with another, and whose streams move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    devices: Vec<i32>,
    moves: Vec<Move>,
}

/// Has the names of the device `one` lead to `other`: with the commit what comes by them is the other's.
///
/// # Errors
/// [`MergeError`]; where another's transaction takes too long ([`StoreError::is_locked`]) the whole may be tried again.
pub async fn begin(transaction: &Transaction<'_>, (one, other): (i32, i32)) -> Result<Merge, MergeError> {
    name_generation::begin(transaction).await?;
    let firing = "
        select count(*) from stream s join alert_state a on a.stream_id = s.id where s.device_id = $1 and a.status = 'firing'";
    let firing: i64 = transaction.0.query_one(firing, &[&one]).await?.try_get(0)?;
    if firing > 0 {
        return Err(MergeError::Firing(firing));
    }
    let names = format!(
        "
        with gone as (select source, name, tags, first_seen_at, last_seen_at from device where id = $1 for update),
        alias as (insert into device_alias (source, alias, device_id) select source, name, $2 from gone),
        aliases as (update device_alias set device_id = $2 where device_id = $1),
        entry as (delete from device_entry e using gone where e.source = gone.source and e.name = gone.name returning e.registered - 'retired_at' - 'adopted_at' as registered),
        said as (
            insert into device_entry as e (source, name, registered)
            select d.source, d.name, entry.registered from entry, device d where d.id = $2
            on conflict (source, name) do update set registered = excluded.registered || e.registered)
        update device d
        set tags = gone.tags || d.tags, first_seen_at = least(nullif(d.first_seen_at, {NEVER}), nullif(gone.first_seen_at, {NEVER}), greatest(d.first_seen_at, gone.first_seen_at)),
            last_seen_at = greatest(d.last_seen_at, gone.last_seen_at)
        from gone where d.id = $2"
    );
    transaction.execute(&names, &[&one, &other]).await?;
    // What was on its way to the one goes on to the other.
    transaction.execute("update device set merged_into = $2 where merged_into = $1", &[&one, &other]).await?;
    let gone = "update device set name = 'merged ' || gen_random_uuid(), tags = '{}', merged_into = $2 where id = $1";
    transaction.execute(gone, &[&one, &other]).await?;
    let channels = "
        update stream s set device_id = $2
        where device_id = $1 and not exists (select from stream t where t.device_id = $2 and t.channel = s.channel)";
    let moved = format!("{channels} returning s.id");
    let moved = transaction.query(&moved, &[&one, &other]).await?;
    let moved: Vec<i32> = moved.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    // The zone of their days may be another.
    rollups::request_days(transaction, &moved).await?;
    resume(transaction, other).await
}

/// What is left to move to the device `other`.
///
/// # Errors
/// [`MergeError`]
pub async fn resume(transaction: &Transaction<'_>, other: i32) -> Result<Merge, MergeError> {
    let left = "select id from device where merged_into = $1 and erased_at is null order by id";
    let left = transaction.query(left, &[&other]).await?;
    let devices: Vec<i32> = left.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let moves = moves(transaction, &devices).await?;
    Ok(Merge { devices, moves })
}

/// Where the values of each stream go. Metrics that are not there get the next positions.
async fn moves(transaction: &Transaction<'_>, devices: &[i32]) -> Result<Vec<Move>, MergeError> {
    let sql = "
        select s.id, t.id, metric.name, metric.unit, metric.kind, there.position,
               (select coalesce(max(position) + 1, 0) from metric where stream_id = t.id)
        from device d
        join stream s on s.device_id = d.id
        join stream t on t.device_id = d.merged_into and t.channel = s.channel
        left join metric on metric.stream_id = s.id
        left join metric there on there.stream_id = t.id and there.name = metric.name and there.unit = metric.unit
                                  and there.kind = metric.kind
        where d.id = any($1) order by s.id, metric.position";
    let (mut moves, mut next): (Vec<Move>, BTreeMap<i32, usize>) = (Vec::new(), BTreeMap::new());
    for row in transaction.query(sql, &[&devices]).await? {
        let (from, to): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
        if moves.last().is_none_or(|last| last.from != from) {
            moves.push(Move { from, to, positions: Vec::new() });
        }
        let (Some(name), Some(last)) = (row.try_get::<_, Option<String>>(2)?, moves.last_mut()) else {
            continue;
        };
        let free: i32 = row.try_get(6)?;
        let next = next.entry(to).or_insert(usize::try_from(free).unwrap_or_default());
        if let Some(position) = row.try_get::<_, Option<i16>>(5)? {
            last.positions.push(usize::try_from(position).unwrap_or_default());
            continue;
        }
        if *next >= MAX_METRICS {
            return Err(MergeError::TooManyMetrics);
        }
        let (unit, kind): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let position = i16::try_from(*next).expect("MAX_METRICS fits");
        // One that was pruned is called by its place.
        let name = if pruned::is_pruned(&name) { pruned::name_at(position) } else { name };
        let sql = "insert into metric (stream_id, position, name, unit, kind) values ($1, $2, $3, $4, $5)";
        transaction.execute(sql, &[&to, &position, &name, &unit, &kind]).await?;
        last.positions.push(*next);
        *next += 1;
    }
    Ok(moves)
}

impl Merge {
    /// Moves the next moments; whether there may be more.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn step(&self, transaction: &Transaction<'_>) -> Result<bool, StoreError> {
        // What is erased meanwhile moves no more.
        let there = "select id from device where id = any($1) and erased_at is null order by id for update";
        if transaction.query(there, &[&self.devices]).await?.len() < self.devices.len() {
            return Ok(false);
        }
        for stream in &self.moves {
            let moved = stream.page(transaction).await?;
            if moved > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes away what is left of the devices that have gone. What was recorded of their alerts stays.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let erased = "select id from device where id = any($1) and erased_at is not null";
        if !transaction.query(erased, &[&self.devices]).await?.is_empty() {
            return Ok(());
        }
        rollups::hold(transaction).await?;
        for stream in &self.moves {
            rollups::move_frozen(transaction, (stream.from, stream.to), &stream.positions).await?;
        }
        take_away(transaction, &self.devices, &[]).await
    }
}

impl Move {
    /// Moves the next moments of the stream; how many.
    async fn page(&self, transaction: &Transaction<'_>) -> Result<usize, StoreError> {
        let sql = r#"
            select stream_id, observed_at, received_at, receipt_id, revised_at, "values", texts, quality, received_ats, receipt_ids,
                   generation, generations
            from moment where stream_id = $1 order by observed_at limit $2 for update"#;
        let rows = transaction.query(sql, &[&self.from, &MOMENTS]).await?;
        let rows: Vec<MomentRow> = rows.iter().map(MomentRow::read).collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Ok(0);
        }
        let moved: Vec<Cow<'_, MomentRow>> =
            rows.iter().map(|row| Cow::Owned(row.moved(self.to, &self.positions))).collect();
        // They are there already: no floor, and no generation of names, is in their way.
        let premises = Premises { until: Timestamp::MAX, registry: None };
        let statement = transaction.0.prepare_cached(statements::NEW_ROWS).await?;
        tables::moments(&transaction.0, &statement, (&moved, premises)).await?;
        let times: Vec<Instant> = rows.iter().map(|row| Instant(row.observed_at)).collect();
        let sql = "delete from moment where stream_id = $1 and observed_at = any($2)";
        transaction.execute(sql, &[&self.from, &times]).await?;
        let hours = rollups::hours_to_roll(moved.iter().map(|row| row.key()), Timestamp::MAX);
        rollups::request_in(transaction, &hours).await?;
        Ok(rows.len())
    }
}
