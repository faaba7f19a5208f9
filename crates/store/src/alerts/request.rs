use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{StoreError, Transaction};

/// The first key of the advisory locks under which streams are evaluated; the second is the stream.
const STREAM_LOCK: i32 = 0x4652_0001;

/// An evaluation request: a stream has readings that no rule has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The earliest of them.
    pub from: Timestamp,
    /// Changes whenever the request is renewed.
    pub token: i64,
    /// The trace of the payload that made it last.
    pub traceparent: Option<String>,
}

/// Locks these streams until the end of the transaction, but for those that another process has; gives those locked. What
/// is decided of them must be read by a later statement.
///
/// # Errors
/// Those of the database.
pub async fn lock_streams(transaction: &Transaction<'_>, streams: &[i32]) -> Result<Vec<i32>, StoreError> {
    let sql = "select s from unnest($2::integer[]) as s where pg_try_advisory_xact_lock($1, s)";
    let rows = transaction.query(sql, &[&STREAM_LOCK, &streams]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The requests of these streams, without locking their rows: the writer never waits for an evaluation.
///
/// # Errors
/// Those of the database.
pub async fn requests(
    transaction: &Transaction<'_>,
    streams: &[i32],
) -> Result<BTreeMap<i32, Request>, StoreError> {
    let sql =
        "select stream_id, from_at, token, traceparent from evaluation_request where stream_id = any($1)";
    let rows = transaction.query(sql, &[&streams]).await?;
    let read = |row: &tokio_postgres::Row| {
        let request = Request { from: row.try_get(1)?, token: row.try_get(2)?, traceparent: row.try_get(3)? };
        Ok((row.try_get(0)?, request))
    };
    rows.iter().map(read).collect()
}

/// Removes requests that were not renewed since they were read. A row that is locked is just being renewed: it stays, and
/// so no evaluation waits for a writer.
///
/// # Errors
/// Those of the database.
pub async fn remove_requests(
    transaction: &Transaction<'_>,
    requests: &BTreeMap<i32, Request>,
) -> Result<(), StoreError> {
    let sql = "
        with evaluated as (
            select r.stream_id
            from unnest($1::integer[], $2::bigint[]) as w (stream_id, token)
            join evaluation_request r on r.stream_id = w.stream_id and r.token = w.token
            for update of r skip locked)
        delete from evaluation_request where stream_id in (select stream_id from evaluated)";
    let (streams, tokens): (Vec<_>, Vec<_>) =
        requests.iter().map(|(stream, request)| (*stream, request.token)).unzip();
    transaction.execute(sql, &[&streams, &tokens]).await?;
    Ok(())
}
