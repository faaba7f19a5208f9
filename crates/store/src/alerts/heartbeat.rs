use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::query;

/// The newest heartbeat, and how many there are from `since` on: whether what was read before is still all there is.
///
/// # Errors
/// Those of the database.
pub async fn heartbeat_count(
    client: &impl GenericClient,
    since: Timestamp,
) -> Result<(Option<Timestamp>, i64), Error> {
    let sql = "select (select max(at) from heartbeat), (select count(*) from heartbeat where at >= $1)";
    let rows = query(client, sql, &[&since]).await?;
    rows.first().map_or(Ok((None, 0)), |row| Ok((row.try_get(0)?, row.try_get(1)?)))
}

/// The heartbeats from `since` on, in order.
///
/// # Errors
/// Those of the database.
pub async fn heartbeats_since(
    client: &impl GenericClient,
    since: Timestamp,
) -> Result<Vec<Timestamp>, Error> {
    let rows = query(client, "select at from heartbeat where at >= $1 order by at", &[&since]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
