//! The pipeline file in force.

use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

/// Puts the file with this hash in force: from now on only `alert` processes that have it evaluate.
///
/// # Errors
/// Those of the database.
pub async fn activate(client: &impl GenericClient, hash: &str, at: Timestamp) -> Result<(), Error> {
    let sql = "
        with activated as (
            insert into active_pipeline (hash, activated_at) values ($1, $2)
            on conflict (singleton) do update set hash = excluded.hash, activated_at = excluded.activated_at
            where active_pipeline.hash <> excluded.hash
            returning hash)
        insert into pipeline_generation (hash, generation)
        select left(hash, 16), (select coalesce(max(generation), 0) + 1 from pipeline_generation) from activated
        on conflict (hash) do update set generation = excluded.generation";
    client.execute(sql, &[&hash, &at]).await?;
    Ok(())
}

/// The generation of each file that was ever in force, by the first eight bytes of its hash: a number in the order in which they were
/// last put in force.
///
/// # Errors
/// Those of the database.
pub async fn generations(client: &impl GenericClient) -> Result<HashMap<i64, i32>, Error> {
    let statement = client.prepare_cached("select hash, generation from pipeline_generation").await?;
    let number = |hash: &str| u64::from_str_radix(hash, 16).unwrap_or_default().cast_signed();
    let rows = client.query(&statement, &[]).await?;
    rows.iter().map(|row| Ok((number(row.try_get(0)?), row.try_get(1)?))).collect()
}

/// The hash of the file in force; `None` where none was ever activated.
///
/// # Errors
/// Those of the database.
pub async fn hash(client: &impl GenericClient) -> Result<Option<String>, Error> {
    Ok(in_force(client).await?.map(|(hash, _)| hash))
}

/// The hash of the file in force, and since when it is; `None` where none was ever activated.
///
/// # Errors
/// Those of the database.
pub async fn in_force(client: &impl GenericClient) -> Result<Option<(String, Timestamp)>, Error> {
    let statement = client.prepare_cached("select hash, activated_at from active_pipeline").await?;
    let row = client.query_opt(&statement, &[]).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}
