use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::GenericClient;
use event_model::CLOCK_SKEW;
use futures_util::future::try_join;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{ChangedCell, Moments, query};
use crate::{StoreError, Transaction};

/// The first key of the advisory locks under which streams are evaluated; the second is the shard.
pub const SHARD_LOCK: i32 = 0x4652_0003;
/// As many locks are all that evaluations ever hold, however many streams there are: PostgreSQL's table of locks is small, and
/// everybody's.
pub const SHARDS: i32 = 64;
/// So many moments of a request are looked at to find that they change nothing.
const MOST_UNSEEN: i64 = 64;

/// An evaluation request: a stream has readings that no rule has seen.
#[derive(Debug, Clone)]
pub struct Request {
    /// The earliest of them.
    pub from: Timestamp,
    /// Changes whenever the request is renewed.
    pub token: i64,
    /// The trace of the payload that made it last.
    pub traceparent: Option<String>,
    /// Since when the stream has such readings.
    pub requested_at: Timestamp,
    /// The moments from `from` on; `None` where they are many.
    pub unseen: Option<Moments>,
}

/// The shard under whose lock a stream is evaluated, from 0 to [`SHARDS`] - 1.
pub const fn shard_of(stream: i32) -> i32 {
    stream.rem_euclid(SHARDS)
}

/// Locks these shards until the end of the transaction, but for those that another process has; gives those locked. What
/// is decided of their streams must be read by a later statement: a snapshot older than the lock lacks what its last holder wrote.
///
/// No statement of the transaction then runs for longer than `limit_ms`.
///
/// # Errors
/// Those of the database.
pub async fn lock_shards(
    transaction: &Transaction<'_>,
    shards: &BTreeSet<i32>,
    limit_ms: u32,
) -> Result<BTreeSet<i32>, StoreError> {
    let sql = "
        select s from unnest($2::integer[]) as s
        where pg_try_advisory_xact_lock($1, s) and set_config('statement_timeout', $3, true) is not null";
    let shards: Vec<_> = shards.iter().copied().collect();
    let (shard_lock, limit) = (SHARD_LOCK, limit_ms.to_string());
    let parameters: [&(dyn ToSql + Sync); 3] = [&shard_lock, &shards, &limit];
    let ((), rows) = try_join(by_index(transaction), transaction.query(sql, &parameters)).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Until the end of the transaction statements are planned by their indexes. A plan that was made while the tables were all but empty is
/// kept, and would read them from end to end after a burst has filled them.
///
/// # Errors
/// Those of the database.
pub async fn by_index(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction.query("select set_config('enable_seqscan', 'off', true)", &[]).await?;
    Ok(())
}

/// The requests of these streams with their unseen moments, without locking their rows: the writer never waits for an evaluation.
///
/// # Errors
/// Those of the database.
pub async fn requests(
    transaction: &Transaction<'_>,
    streams: &[i32],
) -> Result<BTreeMap<i32, Request>, StoreError> {
    let sql = r#"
        select r.stream_id, r.from_at, r.token, r.traceparent, r.requested_at, m.*
        from unnest($1::integer[]) as w (id)
        cross join lateral (
            select stream_id, from_at, token, traceparent, requested_at
            from evaluation_request where stream_id = w.id offset 0) as r
        left join lateral (
            select observed_at, "values", texts, quality from moment
            where stream_id = r.stream_id and observed_at >= r.from_at
              and observed_at <= received_at + make_interval(secs => $2)
            order by observed_at limit $3) as m on true"#;
    let parameters: [&(dyn ToSql + Sync); 3] = [&streams, &CLOCK_SKEW.as_secs_f64(), &(MOST_UNSEEN + 1)];
    read(&transaction.query(sql, &parameters).await?)
}

/// What [`requests`] would give if the evaluation of each stream was also requested from the time beside it on. A stream that is not there
/// has no moments.
///
/// # Errors
/// Those of the database.
pub async fn requests_with(
    transaction: &Transaction<'_>,
    asked: &[(i32, Timestamp)],
) -> Result<BTreeMap<i32, Request>, StoreError> {
    let sql = r#"
        select w.id, w.from_at, w.token, w.traceparent, w.requested_at, m.*
        from (
            select w.id, least(r.from_at, w.from_at) as from_at, coalesce(r.token, 0) as token, r.traceparent,
                   coalesce(r.requested_at, now()) as requested_at
            from unnest($1::integer[], $4::timestamptz[]) as w (id, from_at)
            left join lateral (
                select from_at, token, traceparent, requested_at
                from evaluation_request where stream_id = w.id offset 0) as r on true) as w
        left join lateral (
            select observed_at, "values", texts, quality from moment
            where stream_id = w.id and observed_at >= w.from_at
              and observed_at <= received_at + make_interval(secs => $2)
            order by observed_at limit $3) as m on true"#;
    let (streams, from): (Vec<i32>, Vec<Timestamp>) = asked.iter().copied().unzip();
    let skew = CLOCK_SKEW.as_secs_f64();
    read(&transaction.query(sql, &[&streams, &skew, &(MOST_UNSEEN + 1), &from]).await?)
}

impl Request {
    /// Has these cells take the place of what stands in its unseen moments.
    pub fn lay_over(&mut self, cells: impl IntoIterator<Item = ChangedCell>) {
        if let Some(unseen) = &mut self.unseen {
            unseen.lay_over(cells.into_iter().filter(|cell| cell.at >= self.from));
        }
        self.forget_many();
    }

    /// Moments that are many are not looked at one by one.
    fn forget_many(&mut self) {
        let is_few = |moments: &Moments| moments.len() <= usize::try_from(MOST_UNSEEN).unwrap_or_default();
        self.unseen = self.unseen.take().filter(is_few);
    }
}

/// Requests, a row for each of their unseen moments.
fn read(rows: &[Row]) -> Result<BTreeMap<i32, Request>, StoreError> {
    let mut requests = BTreeMap::<i32, Request>::new();
    for row in rows {
        let stream = row.try_get(0)?;
        let request = match requests.entry(stream) {
            std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => free.insert(Request {
                from: row.try_get(1)?,
                token: row.try_get(2)?,
                traceparent: row.try_get(3)?,
                requested_at: row.try_get(4)?,
                unseen: Some(Moments::default()),
            }),
        };
        if let Some(unseen) = &mut request.unseen {
            unseen.push(row, 5)?;
        }
    }
    requests.values_mut().for_each(Request::forget_many);
    Ok(requests)
}

/// Removes requests that were not renewed since they were read, in the order of their key. A row that is locked is just being
/// renewed: it stays, and so no evaluation waits for a writer. A writer that renews what is removed here waits for the commit: this is
/// the last statement before it.
///
/// # Errors
/// Those of the database.
pub async fn remove_requests(
    transaction: &Transaction<'_>,
    requests: &BTreeMap<i32, Request>,
) -> Result<(), StoreError> {
    if requests.is_empty() {
        return Ok(());
    }
    let sql = "
        with evaluated as materialized (
            select r.stream_id
            from unnest($1::integer[], $2::bigint[]) as w (stream_id, token)
            join evaluation_request r on r.stream_id = w.stream_id and r.token = w.token
            order by r.stream_id
            for update of r skip locked)
        delete from evaluation_request where stream_id in (select stream_id from evaluated)";
    let (streams, tokens): (Vec<_>, Vec<_>) =
        requests.iter().map(|(stream, request)| (*stream, request.token)).unzip();
    transaction.execute(sql, &[&streams, &tokens]).await?;
    Ok(())
}

/// Has a request begin after `seen`, where it was not renewed since it was read; one that is locked is just being renewed.
///
/// # Errors
/// Those of the database.
pub async fn shorten_request(
    transaction: &Transaction<'_>,
    stream: i32,
    request: &Request,
    seen: Timestamp,
) -> Result<(), StoreError> {
    let sql = "
        with evaluated as materialized (
            select stream_id from evaluation_request where stream_id = $1 and token = $2 for update skip locked)
        update evaluation_request r set from_at = greatest(r.from_at, $3::timestamptz + interval '1 microsecond')
        from evaluated where r.stream_id = evaluated.stream_id";
    transaction.execute(sql, &[&stream, &request.token, &seen]).await?;
    Ok(())
}

/// The devices of streams that are put off, those that fail most often first.
///
/// # Errors
/// Those of the database.
pub async fn devices_put_off(client: &impl GenericClient, most: i64) -> Result<Vec<String>, StoreError> {
    let sql = "
        select d.source || '/' || d.name
        from evaluation_request r join stream s on s.id = r.stream_id join device d on d.id = s.device_id
        where r.attempts > 0 order by r.attempts desc, r.stream_id limit $1";
    query(client, sql, &[&most]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Puts a stream off whose evaluation failed by itself: for half a minute, each further time for twice as long, at most an hour.
/// Its request stays, and one is made where it had none.
///
/// # Errors
/// Those of the database.
pub async fn put_off(client: &impl GenericClient, stream: i32, now: Timestamp) -> Result<(), StoreError> {
    let sql = "
        insert into evaluation_request as r (stream_id, from_at, token, attempts, not_before)
        values ($1, $2, 0, 1, $2::timestamptz + interval '30 seconds')
        on conflict (stream_id) do update
        set attempts = r.attempts + 1,
            not_before = $2::timestamptz + least(interval '30 seconds' * 2 ^ least(r.attempts, 10), interval '1 hour')";
    query(client, sql, &[&stream, &now]).await?;
    Ok(())
}
