use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::query;

/// When the last tick came through.
///
/// # Errors
/// Those of the database.
pub async fn last_pulse(client: &impl GenericClient) -> Result<Option<Timestamp>, Error> {
    let rows = query(client, "select max(at) from pulse", &[]).await?;
    rows.first().map_or(Ok(None), |row| row.try_get(0))
}

/// The pulses from `since` on, in order.
///
/// # Errors
/// Those of the database.
pub async fn pulses_since(client: &impl GenericClient, since: Timestamp) -> Result<Vec<Timestamp>, Error> {
    let rows = query(client, "select at from pulse where at >= $1 order by at", &[&since]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
