//! How far the worker has come in each partition of a topic.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::Error;

/// Notes that all which partitions held at `at` is stored: for each the offset behind it.
///
/// # Errors
/// Those of the database.
pub async fn caught_up(
    client: &impl GenericClient,
    topic: &str,
    partitions: &[(i32, i64)],
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "
        insert into topic_offset (topic, \"partition\", next, caught_up_at)
        select $1, p, n, $4 from unnest($2::int[], $3::bigint[]) as caught_up (p, n)
        on conflict (topic, \"partition\") do update
        set next = greatest(topic_offset.next, excluded.next),
            caught_up_at = greatest(topic_offset.caught_up_at, excluded.caught_up_at)";
    let (numbers, next): (Vec<i32>, Vec<i64>) = partitions.iter().copied().unzip();
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&topic, &numbers, &next, &at]).await?;
    Ok(())
}

/// The instant up to which each of `partitions` was caught up with: that of the slowest; `None` where a worker has not
/// caught up with one of them yet.
///
/// # Errors
/// Those of the database.
pub async fn slowest(
    client: &impl GenericClient,
    topic: &str,
    partitions: &[i32],
) -> Result<Option<Timestamp>, Error> {
    let sql = "
        select case when bool_and(o.caught_up_at is not null) then min(o.caught_up_at) end
        from unnest($2::int[]) as wanted (p)
        left join topic_offset o on o.topic = $1 and o.\"partition\" = wanted.p";
    let statement = client.prepare_cached(sql).await?;
    client.query_one(&statement, &[&topic, &partitions]).await?.try_get(0)
}
