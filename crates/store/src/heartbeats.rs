//! Heartbeats, and the ticks that are none yet because payloads which were sent before them still wait.
//!
//! ```text
//!           payloads sent before it wait?         dead letters of them wait?
//! tick ──> pending (Payloads) ──────────> pending (DeadLetters) ──────────> heartbeat
//!             └ until all consumers have       └ until they are stored     ^
//!               passed the ends noted then                                 └ or an hour is over
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use crate::dead_letters::holds_a_payload;
use crate::{StoreError, Transaction};

/// Offsets of a queue by consumer and partition: where it ends, or how far it is consumed.
pub type Offsets = BTreeMap<String, i64>;

/// A tick that is no heartbeat yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingHeartbeat {
    /// When the tick came: the instant of the heartbeat that it becomes.
    pub at: Timestamp,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Where that queue ended when it was looked at; `None` where it could not be looked at yet.
    pub ends: Option<Offsets>,
    /// When it was looked at.
    pub ends_at: Timestamp,
}

/// The queue that a tick waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// That of payloads.
    Payloads,
    /// The topic of dead letters, into which a payload goes that could not be delivered.
    DeadLetters,
}

impl WaitsFor {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Payloads => "payloads",
            Self::DeadLetters => "dead_letters",
        }
    }
}

impl PendingHeartbeat {
    fn read(row: &Row) -> Result<Self, Error> {
        let waits_for: &str = row.try_get(1)?;
        let ends: Option<Json<Offsets>> = row.try_get(2)?;
        Ok(Self {
            at: row.try_get(0)?,
            waits_for: if waits_for == "payloads" { WaitsFor::Payloads } else { WaitsFor::DeadLetters },
            ends: ends.map(|Json(ends)| ends),
            ends_at: row.try_get(3)?,
        })
    }
}

/// What the ticks before this one came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Those that are no heartbeats yet, in order.
    pub pending: Vec<PendingHeartbeat>,
    /// The newest heartbeat.
    pub newest: Option<Timestamp>,
}

/// Reads them under a lock that lasts as long as the transaction: ticks are decided one after the other, so that heartbeats
/// come in order of time. One that came later would close a gap for which silences were judged already.
///
/// # Errors
/// Those of the database.
pub async fn earlier(transaction: &Transaction<'_>) -> Result<Earlier, StoreError> {
    transaction.execute("lock table pending_heartbeat in share row exclusive mode", &[]).await?;
    let sql = "select at, waits_for, ends, ends_at from pending_heartbeat order by at";
    let pending =
        transaction.query(sql, &[]).await?.iter().map(PendingHeartbeat::read).collect::<Result<_, _>>()?;
    let newest = transaction.query("select max(at) from heartbeat", &[]).await?;
    Ok(Earlier { pending, newest: newest.first().map_or(Ok(None), |row| row.try_get(0))? })
}

/// Whether a payload waits among the dead letters, or on its way from there.
///
/// Its device only seems to be silent. One that still waits after an hour, several tries later, has a fault of its own and
/// holds up nothing.
///
/// # Errors
/// Those of the database.
pub async fn dead_letters_wait(transaction: &Transaction<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql = format!(
        "
        select exists (select from dead_letter
                       where resolved_at is null and cause = 'unavailable' and {}
                         and first_at > $1::timestamptz - interval '1 hour')",
        holds_a_payload()
    );
    let rows = transaction.query(&sql, &[&now]).await?;
    Ok(rows.first().map_or(Ok(false), |row| row.try_get(0))?)
}

/// Records heartbeats, and what is pending from now on.
///
/// # Errors
/// Those of the database.
pub async fn settle(
    transaction: &Transaction<'_>,
    heartbeats: &[Timestamp],
    pending: &[PendingHeartbeat],
) -> Result<(), StoreError> {
    let sql = "insert into heartbeat (at) select unnest($1::timestamptz[]) on conflict do nothing";
    transaction.execute(sql, &[&heartbeats]).await?;
    transaction.execute("delete from pending_heartbeat where at = any($1)", &[&heartbeats]).await?;
    let sql = "
        insert into pending_heartbeat (at, waits_for, ends, ends_at) values ($1, $2, $3, $4)
        on conflict (at) do update
        set waits_for = excluded.waits_for, ends = excluded.ends, ends_at = excluded.ends_at";
    for one in pending {
        let ends = one.ends.as_ref().map(Json);
        transaction.execute(sql, &[&one.at, &one.waits_for.as_str(), &ends, &one.ends_at]).await?;
    }
    Ok(())
}
