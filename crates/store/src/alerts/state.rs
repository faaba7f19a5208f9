use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use rules::{Checkpoint, State, Status};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::{execute, query};
use crate::word::Word;

/// Where one rule stands on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRow {
    /// The rule's name.
    pub rule: String,
    /// The series within its stream.
    pub position: i16,
    /// The hash of the rule as it was.
    pub rule_hash: String,
    /// The moment of the checkpoint.
    pub checkpoint_at: Timestamp,
    /// The state there; `None` where another release wrote it in a way that this one cannot read.
    pub checkpoint: Option<State>,
    /// The state at the newest reading or heartbeat.
    pub status: Status,
    /// When time alone may change it.
    pub deadline: Option<Timestamp>,
}

impl StateRow {
    /// The checkpoint, if it can be read.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.map(|state| Checkpoint { at: self.checkpoint_at, state })
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let Json(checkpoint): Json<serde_json::Value> = row.try_get(4)?;
        let since: Option<Timestamp> = row.try_get(6)?;
        let Word(status) = row.try_get(5)?;
        Ok(Self {
            rule: row.try_get(0)?,
            position: row.try_get(1)?,
            rule_hash: row.try_get(2)?,
            checkpoint_at: row.try_get(3)?,
            checkpoint: serde_json::from_value(checkpoint).ok(),
            status: Status::new(status, since),
            deadline: row.try_get(7)?,
        })
    }
}

/// All states of the stream.
///
/// # Errors
/// Those of the database.
pub async fn states(transaction: &impl GenericClient, stream: i32) -> Result<Vec<StateRow>, Error> {
    let sql = "
        select rule, position, rule_hash, checkpoint_at, checkpoint, status, since_at, deadline_at
        from alert_state where stream_id = $1";
    let rows = query(transaction, sql, &[&stream]).await?;
    rows.iter().map(StateRow::read).collect()
}

/// Writes a state over the one that is there. A state without its checkpoint is kept as `{}`, which nobody can read.
///
/// # Errors
/// Those of the database.
pub async fn upsert_state(
    transaction: &impl GenericClient,
    stream: i32,
    row: &StateRow,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "
        insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, since_at,
                                 deadline_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (rule, stream_id, position) do update
        set rule_hash = excluded.rule_hash, checkpoint_at = excluded.checkpoint_at, checkpoint = excluded.checkpoint,
            status = excluded.status, since_at = excluded.since_at, deadline_at = excluded.deadline_at,
            updated_at = excluded.updated_at";
    execute(
        transaction,
        sql,
        &[
            &row.rule,
            &stream,
            &row.position,
            &row.rule_hash,
            &row.checkpoint_at,
            &Json(row.checkpoint),
            &row.status.alert_status().as_str(),
            &row.status.since(),
            &row.deadline,
            &now,
        ],
    )
    .await?;
    Ok(())
}

/// Forgets a state, because its rule is gone or no longer selects the series.
///
/// # Errors
/// Those of the database.
pub async fn delete_state(
    transaction: &impl GenericClient,
    stream: i32,
    rule: &str,
    position: i16,
) -> Result<(), Error> {
    let sql = "delete from alert_state where stream_id = $1 and rule = $2 and position = $3";
    execute(transaction, sql, &[&stream, &rule, &position]).await?;
    Ok(())
}

/// The streams whose deadline is not after `until`, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn overdue_streams(
    client: &impl GenericClient,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<i32>, Error> {
    let sql = "
        select stream_id from alert_state where deadline_at <= $1
        group by stream_id order by min(deadline_at) limit $2";
    let rows = query(client, sql, &[&until, &limit]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The streams that have a state of a rule which is none of `current` (names and hashes): changed or removed.
///
/// # Errors
/// Those of the database.
pub async fn streams_of_other_rules(
    client: &impl GenericClient,
    current: (&[String], &[String]),
    limit: i64,
) -> Result<Vec<i32>, Error> {
    let sql = "
        select distinct stream_id from alert_state a
        where not exists (select from unnest($1::text[], $2::text[]) as current (rule, hash)
                          where current.rule = a.rule and current.hash = a.rule_hash)
        order by stream_id limit $3";
    let rows = query(client, sql, &[&current.0, &current.1, &limit]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
