//! When payloads went to the Broker that are to be persisted before they are answered, and how many.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Error;

/// Payloads that the Broker was given in place of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallbacks {
    /// When it was given the last of them.
    pub at: Timestamp,
    /// How many there are.
    pub payloads: i64,
}

/// Records them.
///
/// # Errors
/// Those of the database.
pub async fn record(client: &impl GenericClient, fallbacks: Fallbacks) -> Result<(), Error> {
    let sql = "
        insert into fallback (at, payloads) values ($1, $2)
        on conflict (at) do update set payloads = fallback.payloads + excluded.payloads";
    client.execute(sql, &[&fallbacks.at, &fallbacks.payloads]).await.map(drop)
}

/// Those since a time, where there are any.
///
/// # Errors
/// Those of the database.
pub async fn since(client: &impl GenericClient, since: Timestamp) -> Result<Option<Fallbacks>, Error> {
    let sql = "select max(at), coalesce(sum(payloads), 0)::bigint from fallback where at >= $1";
    let row = client.query_one(sql, &[&since]).await?;
    let (at, payloads): (Option<Timestamp>, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(at.map(|at| Fallbacks { at, payloads }))
}
