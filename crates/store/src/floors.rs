//! Floors: below the floor of its source no reading is stored any more.
//!
//! ```text
//! cleanup   floors move ─ commit ─ settle_from ───── a minute ─────> begun before, all ended ─> takes away
//! writer         floors read ───── a minute at most ─────> begin ─ write ─ commit
//! ```
//!
//! A writer knows the floors from a while before. Its transaction fails where it begins later than it may rely on them, so that after a
//! minute, and once every transaction that had begun by then has ended, nobody writes below a floor that was moved before. All these
//! times are the database's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use deadpool_postgres::{Client, GenericClient};
use futures_util::try_join;
use jiff::{SignedDuration, Timestamp};
use retention::ALL;
use tokio_postgres::Error;

use crate::{StoreError, Transaction, active_pipeline};

/// For how long a writer may rely on the floors that it has read.
pub const MAX_AGE: SignedDuration = SignedDuration::from_mins(1);
/// A transaction that is under way for so long is worth a word.
pub const LONG_TRANSACTION: SignedDuration = SignedDuration::from_hours(1);

/// The floors as the writers of a process know them.
#[derive(Debug)]
pub(crate) struct Floors {
    max_age: SignedDuration,
    known: Mutex<Option<(Instant, Arc<Known>)>>,
}

/// The floors as they were read, and beside them the generations of pipelines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    by_source: HashMap<String, Timestamp>,
    generations: HashMap<i64, i32>,
    /// The last moment at which a transaction may begin that relies on them.
    pub(crate) until: Timestamp,
}

impl Floors {
    /// None are known yet; what is read holds for `max_age`.
    pub(crate) const fn new(max_age: SignedDuration) -> Self {
        Self { max_age, known: Mutex::new(None) }
    }

    /// The floors, read anew where less than half of the time is left in which they hold.
    pub(crate) async fn current(&self, client: &Client) -> Result<Arc<Known>, Error> {
        let now = Instant::now();
        if let Some((read, known)) = &*self.known()
            && now.duration_since(*read) < self.max_age.unsigned_abs() / 2
        {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(self.read(client).await?);
        *self.known() = Some((now, Arc::clone(&known)));
        Ok(known)
    }

    /// Forgets them: they held no more.
    pub(crate) fn forget(&self) {
        *self.known() = None;
    }

    async fn read(&self, client: &Client) -> Result<Known, Error> {
        let sql = "select now(), source, at from (select) one left join retention_floor on true";
        let statement = client.prepare_cached(sql).await?;
        let (rows, generations) =
            try_join!(client.query(&statement, &[]), active_pipeline::generations(client))?;
        let mut known = Known { by_source: HashMap::new(), generations, until: Timestamp::MIN };
        for row in rows {
            let now: Timestamp = row.try_get(0)?;
            known.until = now.saturating_add(self.max_age).unwrap_or(now);
            if let Some(source) = row.try_get(1)? {
                known.by_source.insert(source, row.try_get(2)?);
            }
        }
        Ok(known)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Arc<Known>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Floors {
    fn default() -> Self {
        Self::new(MAX_AGE)
    }
}

impl Known {
    /// The generation of a pipeline by the first eight bytes of its hash; 0 where it was never put in force.
    pub(crate) fn generation(&self, pipeline: i64) -> i32 {
        self.generations.get(&pipeline).copied().unwrap_or_default()
    }

    /// The floor of a source, where it has one.
    pub(crate) fn of(&self, source: &str) -> Option<Timestamp> {
        let floor = |source| self.by_source.get(source).copied();
        floor(source).max(floor(ALL))
    }
}

/// The floors, and below which times nothing is left of a source; by source, where the empty one is all.
///
/// # Errors
/// Those of the database.
pub async fn all(
    client: &impl GenericClient,
) -> Result<BTreeMap<String, (Timestamp, Option<Timestamp>)>, Error> {
    let rows = client.query("select source, at, cleared_at from retention_floor", &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
}

/// The floor of a source, where it has one.
///
/// # Errors
/// Those of the database.
pub async fn of(client: &impl GenericClient, source: &str) -> Result<Option<Timestamp>, Error> {
    let sql = "select max(at) from retention_floor where source in ($1, $2)";
    client.query_one(sql, &[&source, &ALL]).await?.try_get(0)
}

/// Moves the floor of a source, the empty one of all; it never goes back.
///
/// # Errors
/// [`StoreError`]
pub async fn move_to(transaction: &Transaction<'_>, source: &str, to: Timestamp) -> Result<(), StoreError> {
    let sql = "
        insert into retention_floor as floor (source, at, moved_at) values ($1, $2, now())
        on conflict (source) do update set at = excluded.at, moved_at = excluded.moved_at where excluded.at > floor.at";
    transaction.execute(sql, &[&source, &to]).await?;
    Ok(())
}

/// Notes that no reading of a source alone is left below this time.
///
/// # Errors
/// [`StoreError`]
pub async fn clear(transaction: &Transaction<'_>, source: &str, before: Timestamp) -> Result<(), StoreError> {
    let sql = "update retention_floor set cleared_at = greatest(cleared_at, $2) where source = $1";
    transaction.execute(sql, &[&source, &before]).await?;
    Ok(())
}

/// Since when floors are settled that were moved by a transaction before this one, should `max_age` be how long writers rely on them.
///
/// # Errors
/// [`StoreError`]
pub async fn settle_from(
    transaction: &Transaction<'_>,
    max_age: SignedDuration,
) -> Result<Timestamp, StoreError> {
    let row = transaction.0.query_one("select now()", &[]).await?;
    let now: Timestamp = row.try_get(0)?;
    Ok(now.saturating_add(max_age).unwrap_or(now))
}

/// Whether nobody can write below the moved floors any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nobody can.
    Yes,
    /// It is too early.
    NotYet,
    /// A transaction is under way that began at this time.
    WaitsFor(Timestamp),
    /// The role may not see what transactions others have under way: it needs `pg_read_all_stats`.
    Unseen,
}

/// Sessions whose role may store readings, $1 is a time. A role sees its own, and with `pg_read_all_stats` those of others.
const WRITERS: &str = "
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and has_table_privilege(usesysid, 'moment', 'insert')";

/// Whether what is below the floors may go, which are settled from `from` on ([`settle_from`]).
///
/// # Errors
/// [`StoreError`]
pub async fn settled(transaction: &Transaction<'_>, from: Timestamp) -> Result<Settled, StoreError> {
    let sql = format!(
        "select now() > $1, (select min(xact_start) {WRITERS} and xact_start <= $1),
                not pg_has_role('pg_read_all_stats', 'usage') and exists (select {WRITERS} and not pg_has_role(usesysid, 'usage'))"
    );
    let row = transaction.query(&sql, &[&from]).await?;
    let Some(row) = row.first() else { return Ok(Settled::NotYet) };
    let (is_over, oldest, unseen): (bool, Option<Timestamp>, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(match oldest {
        _ if unseen => Settled::Unseen,
        Some(oldest) => Settled::WaitsFor(oldest),
        None if is_over => Settled::Yes,
        None => Settled::NotYet,
    })
}

/// When the oldest transaction under way began of those that keep cleanup waiting, as far as the role may see them.
///
/// # Errors
/// Those of the database.
pub async fn oldest_transaction(client: &impl GenericClient) -> Result<Option<Timestamp>, Error> {
    client.query_one(&format!("select min(xact_start) {WRITERS}"), &[]).await?.try_get(0)
}
