use jiff::Timestamp;

use crate::{StoreError, Transaction};

/// The newest heartbeat.
///
/// # Errors
/// Those of the database.
pub async fn newest_heartbeat(transaction: &Transaction<'_>) -> Result<Option<Timestamp>, StoreError> {
    let rows = transaction.query("select max(at) from heartbeat", &[]).await?;
    rows.first().map_or(Ok(None), |row| Ok(row.try_get(0)?))
}

/// The newest heartbeat, and how many there are from `since` on: whether what was read before is still all there is.
///
/// # Errors
/// Those of the database.
pub async fn heartbeat_count(
    transaction: &Transaction<'_>,
    since: Timestamp,
) -> Result<(Option<Timestamp>, i64), StoreError> {
    let sql = "select (select max(at) from heartbeat), (select count(*) from heartbeat where at >= $1)";
    let rows = transaction.query(sql, &[&since]).await?;
    rows.first().map_or(Ok((None, 0)), |row| Ok((row.try_get(0)?, row.try_get(1)?)))
}

/// The heartbeats from `since` on, in order.
///
/// # Errors
/// Those of the database.
pub async fn heartbeats_since(
    transaction: &Transaction<'_>,
    since: Timestamp,
) -> Result<Vec<Timestamp>, StoreError> {
    let rows = transaction.query("select at from heartbeat where at >= $1 order by at", &[&since]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
