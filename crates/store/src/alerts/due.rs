//! Which streams are to be evaluated. Asked outside of a transaction: what is read here is only where to begin.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use super::query;
use crate::StoreError;

/// The streams with an evaluation request, those that wait longest first.
///
/// # Errors
/// Those of the database.
pub async fn requested_streams(client: &impl GenericClient, limit: i64) -> Result<Vec<i32>, StoreError> {
    ids(client, "select stream_id from evaluation_request order by token limit $1", &[&limit]).await
}

/// The streams whose deadline is not after `until`, the oldest first; one that has several comes more than once.
///
/// # Errors
/// Those of the database.
pub async fn overdue_streams(
    client: &impl GenericClient,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<i32>, StoreError> {
    let sql = "select stream_id from alert_state where deadline_at <= $1 order by deadline_at limit $2";
    ids(client, sql, &[&until, &limit]).await
}

/// The streams that have a state of a rule which is none of `current` (names and hashes): changed or removed; one that has
/// several comes more than once.
///
/// The rules that states were made by are found by skipping through their index: as many steps as there are rules. A range of one
/// rule in the order of that index is read by it, whatever the planner thinks of finding such states by reading all.
///
/// # Errors
/// Those of the database.
pub async fn streams_of_other_rules(
    client: &impl GenericClient,
    current: (&[String], &[String]),
    limit: i64,
) -> Result<Vec<i32>, StoreError> {
    let sql = format!(
        "
        with recursive {MADE_BY}
        select a.stream_id
        from (select rule, rule_hash from made_by except select * from unnest($1::text[], $2::text[])) as other
        cross join lateral (select stream_id from alert_state
                            where (rule, rule_hash) >= (other.rule, other.rule_hash)
                              and (rule, rule_hash) <= (other.rule, other.rule_hash)
                            order by rule, rule_hash limit $3) as a
        limit $3"
    );
    ids(client, &sql, &[&current.0, &current.1, &limit]).await
}

/// The rules by which there are states, as the first part of a recursive query.
pub(crate) const MADE_BY: &str = "made_by as (
        (select rule, rule_hash from alert_state order by rule, rule_hash limit 1)
        union all
        select next.rule, next.rule_hash
        from made_by, lateral (select rule, rule_hash from alert_state a
                               where (a.rule, a.rule_hash) > (made_by.rule, made_by.rule_hash)
                               order by a.rule, a.rule_hash limit 1) next)";

/// Those of `streams` that have a request, or whose deadline (beside them) a heartbeat has reached.
///
/// Asked after the locks were let go: a process that came for a stream meanwhile found it locked and went on.
///
/// # Errors
/// Those of the database.
pub async fn still_due(
    client: &impl GenericClient,
    streams: &[i32],
    deadlines: &[Option<Timestamp>],
) -> Result<Vec<i32>, StoreError> {
    let sql = "
        select w.stream_id from unnest($1::integer[], $2::timestamptz[]) as w (stream_id, deadline_at)
        where exists (select from evaluation_request r where r.stream_id = w.stream_id)
           or w.deadline_at <= (select max(at) from heartbeat)";
    ids(client, sql, &[&streams, &deadlines]).await
}

async fn ids(
    client: &impl GenericClient,
    sql: &str,
    parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<i32>, StoreError> {
    query(client, sql, parameters).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
