//! Devices that are out of service: alerts of them end, and rules look at nothing that they send.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use event_model::CLOCK_SKEW;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio_postgres::Error;

use super::{entry, register, retired_at};
use crate::writer::tables;
use crate::{StoreError, Transaction};

/// Notes that a device is out of service since `at`, and requests an evaluation of each of its streams, which ends their alerts.
///
/// # Errors
/// [`StoreError`]
pub async fn retire(
    transaction: &Transaction<'_>,
    (source, name): (&str, &str),
    at: Timestamp,
) -> Result<(), StoreError> {
    note(transaction, (source, name), json!(at)).await?;
    // One that is just being evaluated for the device as it was has no state yet, and is evaluated again.
    let sql = "
        select s.id, $3::timestamptz from device d join stream s on s.device_id = d.id
        where d.source = $1 and d.name = $2 and d.erased_at is null";
    let rows = transaction.query(sql, &[&source, &name, &at]).await?;
    tables::request_evaluation_of(transaction, &rows).await
}

/// Notes that a device is in service again. Where it has sent since it was retired, an evaluation is requested from its newest
/// moment on; rules look at any other of its streams with the next reading.
///
/// # Errors
/// [`StoreError`]
pub async fn restore(transaction: &Transaction<'_>, (source, name): (&str, &str)) -> Result<(), StoreError> {
    let retired = retired_at(&entry(&transaction.0, source, name).await?);
    note(transaction, (source, name), Value::Null).await?;
    let Some(retired) = retired else { return Ok(()) };
    let sql = "
        select s.id, m.observed_at
        from device d join stream s on s.device_id = d.id
        cross join lateral (
            select observed_at from moment
            where stream_id = s.id and observed_at > $3 and observed_at <= received_at + make_interval(secs => $4)
            order by observed_at desc limit 1) as m
        where d.source = $1 and d.name = $2 and d.erased_at is null";
    let rows = transaction.query(sql, &[&source, &name, &retired, &CLOCK_SKEW.as_secs_f64()]).await?;
    tables::request_evaluation_of(transaction, &rows).await
}

async fn note(
    transaction: &Transaction<'_>,
    (source, name): (&str, &str),
    retired_at: Value,
) -> Result<(), StoreError> {
    let fact = Map::from_iter([("retired_at".to_owned(), retired_at)]);
    register(transaction, &BTreeMap::from([((source.to_owned(), name.to_owned()), fact)])).await
}

/// Devices that have sent since they were retired, each `SOURCE/DEVICE`, in order; at most `most`.
///
/// # Errors
/// Those of the database.
pub async fn sending(client: &impl GenericClient, most: i64) -> Result<Vec<String>, Error> {
    let sql = "
        select source || '/' || device from devices where sends_retired order by source, device limit $1";
    client.query(sql, &[&most]).await?.iter().map(|row| row.try_get(0)).collect()
}
