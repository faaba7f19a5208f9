use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

use super::{execute, query};

/// The first key of the advisory locks under which streams are evaluated; the second is the stream.
const STREAM_LOCK: i32 = 0x4652_0001;

/// A stream that has readings which no rule has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The earliest of them.
    pub from: Timestamp,
    /// Changes whenever the mark is renewed.
    pub token: i64,
    /// The trace of the payload that marked it last.
    pub traceparent: Option<String>,
}

/// The hash of the pipeline file in force; `None` where none was ever activated.
///
/// # Errors
/// Those of the database.
pub async fn active_hash(client: &impl GenericClient) -> Result<Option<String>, Error> {
    let rows = query(client, "select hash from active_pipeline", &[]).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}

/// The marked streams, those that wait longest first.
///
/// # Errors
/// Those of the database.
pub async fn marked_streams(client: &impl GenericClient, limit: i64) -> Result<Vec<i32>, Error> {
    let rows =
        query(client, "select stream_id from evaluation_request order by token limit $1", &[&limit]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Takes the stream until the end of the transaction, unless another has it.
///
/// # Errors
/// Those of the database.
pub async fn try_lock(transaction: &impl GenericClient, stream: i32) -> Result<bool, Error> {
    let sql = "select pg_try_advisory_xact_lock($1, $2)";
    let rows = query(transaction, sql, &[&STREAM_LOCK, &stream]).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0))
}

/// The stream's mark, without locking its row: the writer never waits for an evaluation.
///
/// # Errors
/// Those of the database.
pub async fn mark(transaction: &impl GenericClient, stream: i32) -> Result<Option<Mark>, Error> {
    let sql = "select from_at, token, traceparent from evaluation_request where stream_id = $1";
    let rows = query(transaction, sql, &[&stream]).await?;
    let mark = rows
        .first()
        .map(|row| Ok(Mark { from: row.try_get(0)?, token: row.try_get(1)?, traceparent: row.try_get(2)? }));
    mark.transpose()
}

/// Removes the mark unless it was renewed since it was read.
///
/// # Errors
/// Those of the database.
pub async fn remove_mark(transaction: &impl GenericClient, stream: i32, mark: &Mark) -> Result<(), Error> {
    let sql = "delete from evaluation_request where stream_id = $1 and token = $2";
    execute(transaction, sql, &[&stream, &mark.token]).await?;
    Ok(())
}

/// Whether the stream is marked, or a heartbeat has come that is not before `deadline`.
///
/// Asked after the lock was let go: whoever came for the stream meanwhile found it taken and went on.
///
/// # Errors
/// Those of the database.
pub async fn is_due(
    client: &impl GenericClient,
    stream: i32,
    deadline: Option<Timestamp>,
) -> Result<bool, Error> {
    let sql = "
        select exists (select from evaluation_request where stream_id = $1)
            or coalesce((select max(at) from heartbeat) >= $2, false)";
    let rows = query(client, sql, &[&stream, &deadline]).await?;
    rows.first().map_or(Ok(false), |row| row.try_get(0))
}
