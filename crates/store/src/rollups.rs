//! Rollups: what the readings of hours and days leave, and which hours are to be rolled up again.
//!
//! ```text
//! writer   ─ moments; hours that may have been rolled up ──> rollup_due ─ commit
//! roller   ─ reads rollup_due ─ then the moments ─ writes rollup_hour, rollup_day ─ takes away what it has read ─ commit
//! ```
//!
//! Whether an hour may have been rolled up is a question of time alone: it may where its end was [`LATENESS`] ago. The roller waits until that is
//! so by the clock of the database and every transaction has ended that began before, so that what it does not see is in `rollup_due`.
//! A token there is another one after every write: what is written while the roller reads stays due, in however many transactions it reads, since it takes
//! away the token alone that it saw before the first.

mod due;
mod read;
mod write;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Row;

use crate::{StoreError, Transaction};

pub use due::{DueHour, change_zones, due, due_within, settle};
pub(crate) use due::{REQUEST, hours_to_roll, request, request_days, request_in};
pub use read::{
    HourPart, Moment, Reach, Rolled, RolledHour, RolledMetric, RolledStream, last_before, last_moment,
    moments, parts_of_days, parts_of_hours, rolled_hours, spans, streams, streams_after, zone_of,
};
pub(crate) use write::move_frozen;
pub use write::{PartRow, freeze, replace_days, replace_hours, set_aggregates};

/// No reading is older than this: the first second of the year 1.
pub const EARLIEST: Timestamp = Timestamp::constant(-62_135_596_800, 0);

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
