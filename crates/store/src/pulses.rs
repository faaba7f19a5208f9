//! When ticks came through.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

/// Records that a tick came through at `at`. Twice is once.
///
/// # Errors
/// Those of the database.
pub async fn record(client: &impl GenericClient, at: Timestamp) -> Result<(), Error> {
    let statement =
        client.prepare_cached("insert into pulse (at) values ($1) on conflict do nothing").await?;
    client.execute(&statement, &[&at]).await?;
    Ok(())
}
