//! What cleanup looks at and takes away. Rows go in batches, and whole months are dropped.

use jiff::Timestamp;
use jiff::civil::Date;
use retention::{Facts, Step};

use crate::{StoreError, Transaction};

/// Rows that go at once.
pub const BATCH: i64 = 5000;
/// The longest wait for a table that is to be dropped. Above `deadlock_timeout`, so that autovacuum gives way; everybody else who
/// asks for the table waits behind it.
const LOCK_TIMEOUT_MS: u32 = 2000;

/// What there is.
///
/// # Errors
/// [`StoreError`]
pub async fn facts(transaction: &Transaction<'_>) -> Result<Facts, StoreError> {
    let sql = r"
        select to_date(right(c.relname, 7), 'YYYY_MM') from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'receipt'::regclass and c.relname ~ '^receipt_[0-9]{4}_[0-9]{2}$' order by 1";
    let months = transaction.query(sql, &[]).await?;
    let oldest = "select min(first_at) from dead_letter where resolved_at is null";
    let oldest = transaction.0.query_one(oldest, &[]).await?;
    Ok(Facts {
        receipt_months: months.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
        oldest_open_dead_letter: oldest.try_get(0)?,
    })
}

/// How many rows a step would take away now, and the bytes on disk that come back at once: those of months.
///
/// # Errors
/// [`StoreError`]
pub async fn count(transaction: &Transaction<'_>, step: Step) -> Result<(i64, i64), StoreError> {
    let client = &transaction.0;
    match target(step) {
        Target::Rows { table, condition, before } => {
            let sql = format!("select count(*) from {table} t where {condition}");
            Ok((client.query_one(&sql, &[&before]).await?.try_get(0)?, 0))
        }
        Target::Month(name) => {
            let sql = format!("select count(*), pg_total_relation_size('{name}') from {name}");
            let row = client.query_one(&sql, &[]).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        }
    }
}

/// Takes away up to [`BATCH`] rows of a step, or its month; how many, and whether more are left.
///
/// # Errors
/// [`StoreError`]
pub async fn take_away(transaction: &Transaction<'_>, step: Step) -> Result<(u64, bool), StoreError> {
    match target(step) {
        Target::Rows { table, condition, before } => {
            let key = table.key();
            // What another process holds goes with a later batch or run.
            let sql = format!(
                "with gone as materialized (
                     select {key} from {table} t where {condition} order by {key} limit {BATCH} for update skip locked)
                 {} delete from {table} t using gone where ({}) = ({})",
                table.with_it(),
                of("t", key),
                of("gone", key)
            );
            let gone = transaction.execute(&sql, &[&before]).await?;
            Ok((gone, i64::try_from(gone).is_ok_and(|gone| gone >= BATCH)))
        }
        Target::Month(name) => {
            let client = &transaction.0;
            client.batch_execute(&format!("set local lock_timeout = {LOCK_TIMEOUT_MS}")).await?;
            let rows: i64 = client
                .query_one(
                    "select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass($1)",
                    &[&name],
                )
                .await
                .and_then(|row| row.try_get(0))?;
            client.batch_execute(&format!("drop table {name}")).await?;
            Ok((rows.unsigned_abs(), false))
        }
    }
}

/// A table whose rows go one by one.
#[derive(Debug, Clone, Copy)]
enum Table {
    ReceiptKey,
    DeadLetter,
    AlertTransition,
    JobSlot,
}

enum Target {
    Rows { table: Table, condition: &'static str, before: Timestamp },
    Month(String),
}

impl Table {
    const fn key(self) -> &'static str {
        match self {
            Self::ReceiptKey => "source, key",
            Self::DeadLetter | Self::AlertTransition => "id",
            Self::JobSlot => "job, slot",
        }
    }

    /// What goes with a row of it.
    const fn with_it(self) -> &'static str {
        match self {
            Self::AlertTransition => {
                ", notified as (delete from notification using gone where notification.transition_id = gone.id)"
            }
            Self::ReceiptKey | Self::DeadLetter | Self::JobSlot => "",
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ReceiptKey => "receipt_key",
            Self::DeadLetter => "dead_letter",
            Self::AlertTransition => "alert_transition",
            Self::JobSlot => "job_slot",
        })
    }
}

/// The columns of `key`, each of `table`.
fn of(table: &str, key: &str) -> String {
    let columns: Vec<_> = key.split(", ").map(|column| format!("{table}.{column}")).collect();
    columns.join(", ")
}

/// Those stay that say where an alert stands, that lie after the checkpoint of their rule, that were retracted not long ago, or whose
/// notifications are still to be delivered. $1 when they were recorded.
const TRANSITIONS: &str = "t.recorded_at < $1
    and exists (select from alert_transition f
                where f.stream_id = t.stream_id and f.rule = t.rule and f.position = t.position
                  and f.kind = 'firing' and f.retracted_by is null
                  and f.recorded_at < $1 and (f.at, f.id) > (t.at, t.id))
    and not exists (select from alert_state s
                    where s.stream_id = t.stream_id and s.rule = t.rule and s.position = t.position
                      and s.checkpoint_at <= t.at)
    and not exists (select from alert_transition r where r.id = t.retracted_by and r.recorded_at >= $1)
    and not exists (select from notification n
                    where n.transition_id = t.id and n.status in ('pending', 'repeating'))";

fn target(step: Step) -> Target {
    let rows = |table, condition, before| Target::Rows { table, condition, before };
    match step {
        Step::Keys { before } => rows(Table::ReceiptKey, "t.expires_at < $1", before),
        Step::DeadLetters { before } => rows(Table::DeadLetter, "t.resolved_at < $1", before),
        Step::Transitions { before } => rows(Table::AlertTransition, TRANSITIONS, before),
        Step::Slots { before } => rows(Table::JobSlot, "t.state <> 'open' and t.finished_at < $1", before),
        Step::Receipts { month } => Target::Month(month_name(month)),
    }
}

fn month_name(month: Date) -> String {
    month.strftime("receipt_%Y_%m").to_string()
}
