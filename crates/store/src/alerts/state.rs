use event_model::alert::AlertId;
use jiff::Timestamp;
use rules::{Checkpoint, State, Status};
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

use super::alert_columns;
use crate::word::Word;
use crate::{StoreError, Transaction};

/// Where one rule stands on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct StateRow {
    /// The rule's name.
    pub rule: String,
    /// The stream.
    pub stream: i32,
    /// The series within its stream.
    pub position: i16,
    /// The hash of the rule as it was.
    pub rule_hash: String,
    /// The moment of the checkpoint.
    pub checkpoint_at: Timestamp,
    /// The state there; `None` where another release wrote it in a form that this one cannot read.
    pub checkpoint: Option<State>,
    /// The state at the newest reading or heartbeat.
    pub status: Status,
    /// When time alone may change it.
    pub deadline: Option<Timestamp>,
    /// The newest reading that was evaluated; `None` where that is not known.
    pub newest_at: Option<Timestamp>,
}

impl StateRow {
    /// The checkpoint, if it can be read.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.map(|state| Checkpoint { at: self.checkpoint_at, state })
    }

    /// Whose state it is.
    pub fn alert(&self) -> AlertId<'_> {
        AlertId { rule: &self.rule, stream: self.stream, position: self.position }
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let Json(checkpoint): Json<serde_json::Value> = row.try_get(5)?;
        let Word(status) = row.try_get(6)?;
        Ok(Self {
            rule: row.try_get(0)?,
            stream: row.try_get(1)?,
            position: row.try_get(2)?,
            rule_hash: row.try_get(3)?,
            checkpoint_at: row.try_get(4)?,
            checkpoint: serde_json::from_value(checkpoint).ok(),
            status: Status::new(status, row.try_get(7)?),
            deadline: row.try_get(8)?,
            newest_at: row.try_get(9)?,
        })
    }
}

/// All states of these streams.
///
/// # Errors
/// Those of the database.
pub async fn states(transaction: &Transaction<'_>, streams: &[i32]) -> Result<Vec<StateRow>, StoreError> {
    let sql = "
        select rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, since_at, deadline_at,
               newest_at
        from unnest($1::integer[]) as w (id)
        cross join lateral (select * from alert_state where stream_id = w.id offset 0) as a";
    let rows = transaction.query(sql, &[&streams]).await?;
    rows.iter().map(|row| Ok(StateRow::read(row)?)).collect()
}

/// Writes states over those that are there. One without its checkpoint is kept as `null`, which no release can read.
///
/// # Errors
/// Those of the database.
pub async fn upsert_states(
    transaction: &Transaction<'_>,
    rows: &[StateRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "
        insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, since_at,
                                 deadline_at, newest_at, updated_at)
        select w.*, $11 from unnest($1::text[], $2::integer[], $3::smallint[], $4::text[], $5::timestamptz[], $6::jsonb[],
                                    $7::text[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[]) as w
        on conflict (rule, stream_id, position) do update
        set rule_hash = excluded.rule_hash, checkpoint_at = excluded.checkpoint_at, checkpoint = excluded.checkpoint,
            status = excluded.status, since_at = excluded.since_at, deadline_at = excluded.deadline_at,
            newest_at = excluded.newest_at, updated_at = excluded.updated_at";
    let rules: Vec<_> = rows.iter().map(|row| row.rule.as_str()).collect();
    let streams: Vec<_> = rows.iter().map(|row| row.stream).collect();
    let positions: Vec<_> = rows.iter().map(|row| row.position).collect();
    let hashes: Vec<_> = rows.iter().map(|row| row.rule_hash.as_str()).collect();
    let times: Vec<_> = rows.iter().map(|row| row.checkpoint_at).collect();
    let checkpoints: Vec<_> = rows.iter().map(|row| Json(row.checkpoint)).collect();
    let statuses: Vec<_> = rows.iter().map(|row| row.status.alert_status().as_str()).collect();
    let since: Vec<_> = rows.iter().map(|row| row.status.since()).collect();
    let deadlines: Vec<_> = rows.iter().map(|row| row.deadline).collect();
    let newest: Vec<_> = rows.iter().map(|row| row.newest_at).collect();
    transaction
        .execute(
            sql,
            &[
                &rules,
                &streams,
                &positions,
                &hashes,
                &times,
                &checkpoints,
                &statuses,
                &since,
                &deadlines,
                &newest,
                &now,
            ],
        )
        .await?;
    Ok(())
}

/// Removes the states of alerts that no rule stands for any more.
///
/// # Errors
/// Those of the database.
pub async fn delete_states(transaction: &Transaction<'_>, alerts: &[AlertId<'_>]) -> Result<(), StoreError> {
    if alerts.is_empty() {
        return Ok(());
    }
    let sql = "
        delete from alert_state a
        using unnest($1::text[], $2::integer[], $3::smallint[]) as w (rule, stream_id, position)
        where a.rule = w.rule and a.stream_id = w.stream_id and a.position = w.position";
    let (rules, streams, positions) = alert_columns(alerts.iter());
    transaction.execute(sql, &[&rules, &streams, &positions]).await?;
    Ok(())
}
