//! Which streams are to be evaluated. What is read here, without a lock, is only where to begin.

use jiff::Timestamp;

use crate::{StoreError, Transaction};

/// The streams with an evaluation request that is not put off, those that wait longest first; beside each the request's token.
///
/// # Errors
/// Those of the database.
pub async fn requested_streams(
    transaction: &Transaction<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let sql = "
        select stream_id, token from evaluation_request
        where not_before is null or not_before <= $1 order by token limit $2";
    let rows = transaction.query(sql, &[&now, &limit]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The streams with a deadline that the newest heartbeat has reached, the oldest first; beside each the deadline. One that has
/// several comes more than once, one that is put off not at all.
///
/// # Errors
/// Those of the database.
pub async fn overdue_streams(
    transaction: &Transaction<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(i32, Timestamp)>, StoreError> {
    let sql = format!(
        "
        select stream_id, deadline_at from alert_state
        where deadline_at <= (select max(at) from heartbeat) and {IS_NOT_PUT_OFF} order by deadline_at limit $2"
    );
    let rows = transaction.query(&sql, &[&now, &limit]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Of a row of `alert_state`; $1 now.
const IS_NOT_PUT_OFF: &str = "not exists (select from evaluation_request r
                                        where r.stream_id = alert_state.stream_id and r.not_before > $1)";

/// The streams that have a state of a rule which is none of `current` (names and hashes): changed or removed; one that has
/// several comes more than once, one that is put off not at all.
///
/// The rules that states were made by are found by skipping through their index: as many steps as there are rules. A range of one
/// rule in the order of that index is read by it, whatever the planner thinks of finding such states by reading all.
///
/// # Errors
/// Those of the database.
pub async fn streams_of_other_rules(
    transaction: &Transaction<'_>,
    current: (&[String], &[String]),
    now: Timestamp,
    limit: i64,
) -> Result<Vec<i32>, StoreError> {
    let sql = format!(
        "
        with recursive {MADE_BY}
        select a.stream_id
        from (select rule, rule_hash from made_by except select * from unnest($3::text[], $4::text[])) as other
        cross join lateral (select stream_id from alert_state
                            where (rule, rule_hash) >= (other.rule, other.rule_hash)
                              and (rule, rule_hash) <= (other.rule, other.rule_hash) and {IS_NOT_PUT_OFF}
                            order by rule, rule_hash limit $2) as a
        limit $2"
    );
    let rows = transaction.query(&sql, &[&now, &limit, &current.0, &current.1]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// How many states there are of rules that are none of `current`; `most` where they are more.
///
/// # Errors
/// Those of the database.
pub async fn states_of_other_rules(
    transaction: &Transaction<'_>,
    current: (&[String], &[String]),
    most: i64,
) -> Result<i64, StoreError> {
    let sql = format!(
        "
        with recursive {MADE_BY}
        select count(*)
        from (select from (select rule, rule_hash from made_by except select * from unnest($2::text[], $3::text[])) as other
              cross join lateral (select from alert_state
                                  where (rule, rule_hash) >= (other.rule, other.rule_hash)
                                    and (rule, rule_hash) <= (other.rule, other.rule_hash)
                                  limit $1) as a
              limit $1) as other_states"
    );
    let rows = transaction.query(&sql, &[&most, &current.0, &current.1]).await?;
    rows.first().map_or(Ok(0), |row| Ok(row.try_get(0)?))
}

/// The rules by which there are states, as the first part of a recursive query.
pub(crate) const MADE_BY: &str = "made_by as (
        (select rule, rule_hash from alert_state order by rule, rule_hash limit 1)
        union all
        select next.rule, next.rule_hash
        from made_by, lateral (select rule, rule_hash from alert_state a
                               where (a.rule, a.rule_hash) > (made_by.rule, made_by.rule_hash)
                               order by a.rule, a.rule_hash limit 1) next)";
