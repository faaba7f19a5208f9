//! When ticks came through.

use deadpool_postgres::GenericClient;
use event_model::event_types::PAYLOAD_RECEIVED;
use jiff::Timestamp;
use tokio_postgres::Error;

/// Records that a tick came through at `at`, and payloads did too. Twice is once.
///
/// While a payload that could not be stored waits to be sent back, its device only seems to be silent, so that this is no
/// heartbeat yet. One that still waits after an hour, several tries later, has a fault of its own and holds nobody up.
///
/// # Errors
/// Those of the database.
pub async fn record(client: &impl GenericClient, at: Timestamp) -> Result<(), Error> {
    let statement = client
        .prepare_cached(
            "insert into heartbeat (at)
             select $1::timestamptz where not exists (
                 select from dead_letter
                 where resolved_at is null and cause = 'unavailable' and event_type = $2
                   and first_at > $1 - interval '1 hour')
             on conflict do nothing",
        )
        .await?;
    client.execute(&statement, &[&at, &PAYLOAD_RECEIVED]).await?;
    Ok(())
}
