//! Which device a name leads to may change; each change is a new generation.
//!
//! A writer remembers which streams a name leads to. Whoever leads a name elsewhere begins a new generation, in a transaction that holds
//! alone what every writer's transaction shares: what was under way is committed before, and what comes later fails where it was found for
//! an earlier generation, and is found anew (`writes_hold`).

use deadpool_postgres::GenericClient;
use tokio_postgres::Error;

use crate::{StoreError, Transaction};

/// The longest wait for the writers' transactions, in which the next ones wait behind it.
const LOCK_TIMEOUT_MS: u32 = 2000;

/// The generation for which names lead where they do.
///
/// # Errors
/// Those of the database.
pub(crate) async fn current(client: &impl GenericClient) -> Result<i64, Error> {
    let statement = client.prepare_cached("select generation from registry").await?;
    client.query_one(&statement, &[]).await?.try_get(0)
}

/// Begins a new one: until the end of this transaction nobody stores readings or makes devices.
///
/// # Errors
/// [`StoreError`]; where another's transaction takes too long ([`StoreError::is_locked`]) the whole may be tried again.
pub(crate) async fn begin(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    // The table is locked against devices that are made by what was under way.
    let sql = format!(
        "set local lock_timeout = {LOCK_TIMEOUT_MS};
         select pg_advisory_xact_lock(1179779077, 0);
         lock table device in share row exclusive mode;
         update registry set generation = generation + 1"
    );
    Ok(transaction.0.batch_execute(&sql).await?)
}
