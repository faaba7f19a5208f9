//! What cleanup looks at and takes away. Rows go in batches, and whole months are dropped.

use jiff::Timestamp;
use jiff::civil::Date;
use retention::{Facts, Step};
use serde_json::Value;

use crate::{StoreError, Transaction};

/// Rows that are looked at at once, in the order of their keys, whether they go or stay: what a transaction takes does not depend on the
/// size of its table.
const SPAN: i64 = 10_000;
/// The longest wait for a table that is to be dropped. Above `deadlock_timeout`, so that autovacuum gives way; everybody else who
/// asks for the table waits behind it.
const LOCK_TIMEOUT_MS: u32 = 2000;

/// What there is.
///
/// # Errors
/// [`StoreError`]
pub async fn facts(transaction: &Transaction<'_>) -> Result<Facts, StoreError> {
    let oldest = "select min(first_at) from dead_letter where resolved_at is null";
    let oldest = transaction.0.query_one(oldest, &[]).await?;
    Ok(Facts {
        request_days: partitions(
            transaction,
            "request",
            ("YYYY_MM_DD", "^request_[0-9]{4}_[0-9]{2}_[0-9]{2}$"),
        )
        .await?,
        receipt_months: partitions(transaction, "receipt", ("YYYY_MM", "^receipt_[0-9]{4}_[0-9]{2}$"))
            .await?,
        oldest_open_dead_letter: oldest.try_get(0)?,
    })
}

/// The first days of the partitions of a table that are named by them.
async fn partitions(
    transaction: &Transaction<'_>,
    table: &str,
    (format, named): (&str, &str),
) -> Result<Vec<Date>, StoreError> {
    let sql = "
        select to_date(right(c.relname, length($2)), $2) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = $1::text::regclass and c.relname ~ $3 order by 1";
    let days = transaction.query(sql, &[&table, &format, &named]).await?;
    Ok(days.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// How many rows a step would take away now, and the bytes on disk that come back at once: those of partitions.
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
        Target::Partition(name) => {
            let sql = format!("select count(*), pg_total_relation_size('{name}') from {name}");
            let row = client.query_one(&sql, &[]).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        }
    }
}

/// What one call has taken away.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Rows.
    pub rows: u64,
    /// The key behind which the next call goes on; none where nothing is left.
    pub after: Option<Value>,
}

/// Takes away what goes of a step among the rows behind the key `after`, or its partition.
///
/// # Errors
/// [`StoreError`]
pub async fn take_away(
    transaction: &Transaction<'_>,
    step: Step,
    after: Option<&Value>,
) -> Result<Taken, StoreError> {
    let (table, condition, before) = match target(step) {
        Target::Rows { table, condition, before } => (table, condition, before),
        Target::Partition(name) => return drop_partition(transaction, &name).await,
    };
    let key = table.key();
    let behind =
        after.map_or_else(|| "$2::jsonb is null".to_owned(), |_| format!("({key}) > {}", table.bound()));
    // What another process holds goes with a later run.
    let sql = format!(
        "with span as materialized (select {key} from {table} where {behind} order by {key} limit {SPAN}),
         gone as materialized (
             select {of_t} from {table} t join span using ({key}) where {condition} for update of t skip locked)
         {with_it},
         deleted as (delete from {table} t using gone where ({of_t}) = ({of_gone}) returning 1)
         select (select count(*) from deleted), (select count(*) from span),
                (select to_jsonb(s) from span s order by {key} desc limit 1)",
        of_t = of("t", key),
        of_gone = of("gone", key),
        with_it = table.with_it(),
    );
    let rows = transaction.query(&sql, &[&before, &after]).await?;
    let Some(row) = rows.first() else { return Ok(Taken { rows: 0, after: None }) };
    let (gone, seen): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let last: Option<Value> = row.try_get(2)?;
    Ok(Taken { rows: gone.unsigned_abs(), after: last.filter(|_| seen >= SPAN) })
}

async fn drop_partition(transaction: &Transaction<'_>, name: &str) -> Result<Taken, StoreError> {
    let client = &transaction.0;
    client.batch_execute(&format!("set local lock_timeout = {LOCK_TIMEOUT_MS}")).await?;
    let rows = "select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass($1)";
    let rows: i64 = client.query_one(rows, &[&name]).await?.try_get(0)?;
    client.batch_execute(&format!("drop table {name}")).await?;
    Ok(Taken { rows: rows.unsigned_abs(), after: None })
}

/// A table whose rows go one by one.
#[derive(Debug, Clone, Copy)]
enum Table {
    ReceiptKey,
    DeadLetter,
    AlertTransition,
    JobSlot,
    RequestDefault,
    ReceiptDefault,
}

enum Target {
    Rows { table: Table, condition: &'static str, before: Timestamp },
    Partition(String),
}

impl Table {
    const fn key(self) -> &'static str {
        match self {
            Self::ReceiptKey => "source, key",
            Self::DeadLetter | Self::AlertTransition => "id",
            Self::JobSlot => "job, slot",
            Self::RequestDefault => "received_at, receipt_id",
            Self::ReceiptDefault => "received_at, id",
        }
    }

    /// The key that $2 is.
    const fn bound(self) -> &'static str {
        match self {
            Self::ReceiptKey => "($2::jsonb ->> 'source', $2::jsonb ->> 'key')",
            Self::DeadLetter => "(($2::jsonb ->> 'id')::uuid)",
            Self::AlertTransition => "(($2::jsonb ->> 'id')::bigint)",
            Self::JobSlot => "($2::jsonb ->> 'job', ($2::jsonb ->> 'slot')::timestamptz)",
            Self::RequestDefault => {
                "(($2::jsonb ->> 'received_at')::timestamptz, ($2::jsonb ->> 'receipt_id')::uuid)"
            }
            Self::ReceiptDefault => {
                "(($2::jsonb ->> 'received_at')::timestamptz, ($2::jsonb ->> 'id')::uuid)"
            }
        }
    }

    /// What goes with a row of it.
    const fn with_it(self) -> &'static str {
        match self {
            Self::AlertTransition => {
                ", notified as (delete from notification using gone where notification.transition_id = gone.id)"
            }
            Self::ReceiptKey
            | Self::DeadLetter
            | Self::JobSlot
            | Self::RequestDefault
            | Self::ReceiptDefault => "",
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
            Self::RequestDefault => "request_default",
            Self::ReceiptDefault => "receipt_default",
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
        Step::Requests { day } => Target::Partition(day.strftime("request_%Y_%m_%d").to_string()),
        Step::StrayRequests { before } => rows(Table::RequestDefault, "t.received_at < $1", before),
        Step::Receipts { month } => Target::Partition(month.strftime("receipt_%Y_%m").to_string()),
        Step::StrayReceipts { before } => rows(Table::ReceiptDefault, "t.received_at < $1", before),
    }
}
