//! What cleanup looks at and takes away. Rows go in batches, and partitions are dropped.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use retention::{Facts, Floor, Step};
use serde_json::{Value, json};

use crate::partitions::{self, Partition, Table as Partitioned};
use crate::{StoreError, Transaction, floors};

/// Rows that are looked at at once, in the order of their keys, whether they go or stay: what a transaction takes does not depend on the
/// size of its table.
const SPAN: i64 = 10_000;
/// Streams of a source whose readings are looked for at once.
const STREAMS: i64 = 2_000;
/// The longest wait for a table that is to be dropped. Above `deadlock_timeout`, so that autovacuum gives way; everybody else who
/// asks for the table waits behind it.
const LOCK_TIMEOUT_MS: u32 = 2000;
/// For so long rows are counted: nobody reads readings for longer, since a month that is to be dropped waits for it.
const COUNT: Duration = Duration::from_secs(5);

/// What there is.
///
/// # Errors
/// [`StoreError`]
pub async fn facts(transaction: &Transaction<'_>) -> Result<Facts, StoreError> {
    let oldest = "
        select least((select min(first_at) from dead_letter where resolved_at is null), (select min(held_at) from held))";
    let oldest = transaction.0.query_one(oldest, &[]).await?;
    // One look into the index for each.
    let sources = "
        with recursive known as (
            select min(source) as source from device
            union all
            select (select min(d.source) from device d where d.source > known.source) from known where known.source is not null)
        select source from known where source is not null";
    let sources = transaction.query(sources, &[]).await?;
    let known = floors::all(&transaction.0).await?;
    let months = partitions::existing(transaction, Partitioned::Moment).await?;
    let days = async |table| {
        let existing = partitions::existing(transaction, table).await?;
        Ok::<_, StoreError>(existing.into_iter().map(|(partition, _)| partition.first_day).collect())
    };
    Ok(Facts {
        reading_months: months.into_iter().map(|(month, bytes)| (month.first_day, bytes)).collect(),
        sources: sources.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
        floors: known.into_iter().map(|(source, (at, cleared))| (source, Floor { at, cleared })).collect(),
        request_days: days(Partitioned::Request).await?,
        receipt_months: days(Partitioned::Receipt).await?,
        oldest_open_event: oldest.try_get(0)?,
    })
}

/// How many rows a step would take away now, and the bytes on disk that come back at once: those of partitions. A count that takes too
/// long fails ([`StoreError::is_too_large`]), and ends the transaction.
///
/// # Errors
/// [`StoreError`]
pub async fn count(transaction: &Transaction<'_>, step: &Step) -> Result<(i64, i64), StoreError> {
    let client = &transaction.0;
    client.batch_execute(&format!("set local statement_timeout = {}", COUNT.as_millis())).await?;
    match target(step) {
        Target::Nothing => Ok((0, 0)),
        Target::Rows { table, condition, before } => {
            let sql = format!("select count(*) from {table} t where {condition}");
            Ok((client.query_one(&sql, &[&before]).await?.try_get(0)?, 0))
        }
        Target::Partition(partition) => {
            let sql = "select reltuples::bigint, pg_total_relation_size(oid) from pg_class where oid = to_regclass($1)";
            let row = client.query_one(sql, &[&partition.to_string()]).await?;
            let (mut rows, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            // Nobody has looked at it yet.
            if rows <= 0 {
                rows =
                    client.query_one(&format!("select count(*) from {partition}"), &[]).await?.try_get(0)?;
            }
            Ok((rows, bytes))
        }
        Target::ReadingsOf { source, from, before } => {
            let sql = "
                select count(*) from device d join stream s on s.device_id = d.id join moment m on m.stream_id = s.id
                where d.source = $1 and m.observed_at >= coalesce($2::timestamptz, '-infinity') and m.observed_at < $3";
            Ok((client.query_one(sql, &[&source, &from, &before]).await?.try_get(0)?, 0))
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
    step: &Step,
    after: Option<&Value>,
) -> Result<Taken, StoreError> {
    let (table, condition, before) = match target(step) {
        Target::Nothing => return Ok(Taken { rows: 0, after: None }),
        Target::Rows { table, condition, before } => (table, condition, before),
        Target::Partition(partition) => return drop_partition(transaction, partition).await,
        Target::ReadingsOf { source, from, before } => {
            return readings_of(transaction, source, (from, before), after).await;
        }
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

async fn drop_partition(transaction: &Transaction<'_>, partition: Partition) -> Result<Taken, StoreError> {
    let client = &transaction.0;
    client.batch_execute(&format!("set local lock_timeout = {LOCK_TIMEOUT_MS}")).await?;
    let rows = "select coalesce((select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass($1)), 0)";
    let rows: i64 = client.query_one(rows, &[&partition.to_string()]).await?.try_get(0)?;
    let drop = "select drop_partition($1, $2)";
    client.query_one(drop, &[&partition.table.name(), &partition.first_day]).await?;
    Ok(Taken { rows: rows.unsigned_abs(), after: None })
}

/// Readings of one source, behind a stream and a time of it.
async fn readings_of(
    transaction: &Transaction<'_>,
    source: &str,
    (from, before): (Option<Timestamp>, Timestamp),
    after: Option<&Value>,
) -> Result<Taken, StoreError> {
    let sql = format!(
        "with streams as materialized (
             select s.id from device d join stream s on s.device_id = d.id
             where d.source = $1 and s.id >= coalesce(($4::jsonb ->> 'stream')::integer, 0) order by s.id limit {STREAMS}),
         span as materialized (
             select s.id, m.observed_at
             from (select id from streams order by id) s
             cross join lateral (
                 select observed_at from moment
                 where stream_id = s.id and observed_at >= coalesce($2::timestamptz, '-infinity') and observed_at < $3
                   and observed_at > case when s.id = ($4::jsonb ->> 'stream')::integer
                                          then ($4::jsonb ->> 'at')::timestamptz else '-infinity' end
                 order by observed_at limit {SPAN}) m
             limit {SPAN}),
         gone as (
             delete from moment m using span where m.stream_id = span.id and m.observed_at = span.observed_at
                                               and m.observed_at < $3 returning 1)
         select (select count(*) from gone), (select count(*) from span), (select count(*) from streams),
                (select max(id) from streams), (select to_jsonb(s) from span s order by id desc, observed_at desc limit 1)"
    );
    let rows = transaction.query(&sql, &[&source, &from, &before, &after]).await?;
    let Some(row) = rows.first() else { return Ok(Taken { rows: 0, after: None }) };
    let (gone, seen, streams): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (newest, last): (Option<i32>, Option<Value>) = (row.try_get(3)?, row.try_get(4)?);
    let within = || last.map(|last| json!({"stream": last["id"], "at": last["observed_at"]}));
    let behind = || newest.map(|newest| json!({"stream": newest, "at": "infinity"}));
    let after = match (seen >= SPAN, streams >= STREAMS) {
        (true, _) => within(),
        (false, true) => behind(),
        (false, false) => None,
    };
    Ok(Taken { rows: gone.unsigned_abs(), after })
}

/// A table whose rows go one by one.
#[derive(Debug, Clone, Copy)]
enum Table {
    ReceiptKey,
    DeadLetter,
    AlertTransition,
    JobSlot,
    MomentDefault,
    Notification,
    RequestDefault,
    ReceiptDefault,
}

enum Target<'a> {
    Nothing,
    Rows { table: Table, condition: &'static str, before: Timestamp },
    Partition(Partition),
    ReadingsOf { source: &'a str, from: Option<Timestamp>, before: Timestamp },
}

impl Table {
    const fn key(self) -> &'static str {
        match self {
            Self::ReceiptKey => "source, key",
            Self::DeadLetter | Self::AlertTransition | Self::Notification => "id",
            Self::MomentDefault => "stream_id, observed_at",
            Self::JobSlot => "job, slot",
            Self::RequestDefault => "received_at, receipt_id",
            Self::ReceiptDefault => "received_at, id",
        }
    }

    /// The key that $2 is.
    const fn bound(self) -> &'static str {
        match self {
            Self::ReceiptKey => "($2::jsonb ->> 'source', $2::jsonb ->> 'key')",
            Self::DeadLetter | Self::Notification => "(($2::jsonb ->> 'id')::uuid)",
            Self::MomentDefault => {
                "(($2::jsonb ->> 'stream_id')::integer, ($2::jsonb ->> 'observed_at')::timestamptz)"
            }
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
            | Self::MomentDefault
            | Self::Notification
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
            Self::MomentDefault => "moment_default",
            Self::Notification => "notification",
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

/// Those stay that are still to be delivered, and those of the alert's newest beginning and of what came after it: what is told of its end
/// goes by how its beginning was. $1 when they were made.
const NOTIFICATIONS: &str = "t.created_at < $1 and t.status not in ('pending', 'repeating')
    and exists (select from alert_transition o
                join alert_transition f on f.stream_id = o.stream_id and f.rule = o.rule and f.position = o.position
                where o.id = t.transition_id and f.kind = 'firing' and f.retracted_by is null
                  and f.recorded_at < $1 and (f.at, f.id) > (o.at, o.id))";

fn target(step: &Step) -> Target<'_> {
    let rows = |table, condition, before: &Timestamp| Target::Rows { table, condition, before: *before };
    let partition = |table, first_day: &Date| Target::Partition(Partition { table, first_day: *first_day });
    match step {
        Step::Floor { .. } | Step::Roll { .. } | Step::Settle | Step::Freeze => Target::Nothing,
        Step::Keys { before } => rows(Table::ReceiptKey, "t.expires_at < $1", before),
        Step::DeadLetters { before } => rows(Table::DeadLetter, "t.resolved_at < $1", before),
        Step::Notifications { before } => rows(Table::Notification, NOTIFICATIONS, before),
        Step::Transitions { before } => rows(Table::AlertTransition, TRANSITIONS, before),
        Step::Slots { before } => rows(Table::JobSlot, "t.state <> 'open' and t.finished_at < $1", before),
        Step::Requests { day } => partition(Partitioned::Request, day),
        Step::StrayRequests { before } => rows(Table::RequestDefault, "t.received_at < $1", before),
        Step::Receipts { month } => partition(Partitioned::Receipt, month),
        Step::StrayReceipts { before } => rows(Table::ReceiptDefault, "t.received_at < $1", before),
        Step::Readings { month } => partition(Partitioned::Moment, month),
        Step::StrayReadings { before } => rows(Table::MomentDefault, "t.observed_at < $1", before),
        Step::ReadingsOf { source, from, before } => {
            Target::ReadingsOf { source, from: *from, before: *before }
        }
    }
}
