//! What is kept of requests: beside their receipts, or by a topic.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::topic_offsets::IS_MADE_ANEW;

/// Which requests.
#[derive(Debug, Clone, Copy)]
pub struct Span<'a> {
    /// Of this source.
    pub source: &'a str,
    /// Received at or after this.
    pub from: Timestamp,
    /// Received before this.
    pub to: Timestamp,
}

/// A request as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRequest {
    /// When it was received.
    pub received_at: Timestamp,
    /// Its receipt.
    pub receipt_id: Uuid,
    /// As `application/http`.
    pub body: Vec<u8>,
}

/// What of a span can be read again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Receipts whose request is kept beside them.
    pub kept: i64,
    /// Those whose request is not.
    pub gone: Gone,
    /// Where topics keep the requests of the others.
    pub partitions: Vec<KeptPartition>,
}

/// Receipts whose requests are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gone {
    /// How many.
    pub receipts: i64,
    /// When the first of them was received, and the last.
    pub between: Option<(Timestamp, Timestamp)>,
}

/// A partition of a topic that keeps requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPartition {
    /// The source whose topic it is; none for that of topic mode.
    pub topic_source: Option<String>,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Receipts of its records.
    pub receipts: i64,
}

/// A receipt whose requests a topic keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsReceipt {
    /// The receipt.
    pub receipt_id: Uuid,
    /// When the first of them was received.
    pub received_at: Timestamp,
    /// When it was written, where that is known.
    pub stored_at: Option<Timestamp>,
    /// The id of the event, where it is of one record.
    pub event_id: String,
    /// The offset of the first record.
    pub first: i64,
    /// The offset of the last one, where it is of a range.
    pub last: Option<i64>,
    /// How many records are its.
    pub records: i32,
}

impl std::ops::AddAssign for Gone {
    fn add_assign(&mut self, other: Self) {
        self.receipts += other.receipts;
        self.between = match (self.between, other.between) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (one, other) => one.or(other),
        };
    }
}

/// Receipts of a span, but for those of what was read again. `$1` is the source, `$2` and `$3` the span.
const OF_SPAN: &str = "
    from receipt r left join request q on q.received_at = r.received_at and q.receipt_id = r.id
    where r.source = $1 and r.received_at >= $2 and r.received_at < $3 and r.rereads is null";
/// Up to `limit` of the requests that are kept beside their receipts, behind `after`, in the order in which they were received.
///
/// # Errors
/// Those of the database.
pub async fn requests(
    client: &impl GenericClient,
    span: Span<'_>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<StoredRequest>, Error> {
    let sql = format!(
        "select r.received_at, r.id, coalesce(q.body, r.request) {OF_SPAN}
           and (r.received_at, r.id) > ($4, $5) and coalesce(q.body, r.request) is not null
         order by r.received_at, r.id limit $6"
    );
    let (at, id) = after.unwrap_or((Timestamp::UNIX_EPOCH, Uuid::nil()));
    let statement = client.prepare_cached(&sql).await?;
    let Span { source, from, to } = span;
    let rows = client.query(&statement, &[&source, &from, &to, &at, &id, &limit]).await?;
    let request = |row: &Row| {
        Ok(StoredRequest { received_at: row.try_get(0)?, receipt_id: row.try_get(1)?, body: row.try_get(2)? })
    };
    rows.iter().map(request).collect()
}

/// What of the span can be read again, as far as the database knows: what a topic keeps of its partitions only Kafka does. A receipt of a
/// payload that held nothing is not counted: it has nothing to be mended.
///
/// # Errors
/// Those of the database.
pub async fn coverage(client: &impl GenericClient, span: Span<'_>) -> Result<Coverage, Error> {
    let sql = format!(
        "select is_kept, record_source, record_topic, record_partition,
                count(*) filter (where held_any), min(received_at) filter (where held_any), max(received_at) filter (where held_any)
         from (select r.received_at, r.outcome <> 'no_data' as held_any, coalesce(q.body, r.request) is not null as is_kept,
                      r.record_source, r.record_partition, case when not {IS_MADE_ANEW} then r.record_topic end as record_topic
               {OF_SPAN}) as receipts
         group by 1, 2, 3, 4 order by 2, 3, 4"
    );
    let Span { source, from, to } = span;
    let mut coverage = Coverage::default();
    for row in client.query(&sql, &[&source, &from, &to]).await? {
        let (is_kept, topic): (bool, Option<String>) = (row.try_get(0)?, row.try_get(2)?);
        let receipts: i64 = row.try_get(4)?;
        match topic {
            _ if is_kept => coverage.kept += receipts,
            None => coverage.gone += Gone { receipts, between: between(&row, 5)? },
            Some(topic) => coverage.partitions.push(KeptPartition {
                topic_source: row.try_get(1)?,
                topic,
                partition: row.try_get(3)?,
                receipts,
            }),
        }
    }
    Ok(coverage)
}

/// Receipts of a partition's records; `$4` is the topic's source, `$5` the topic, `$6` the partition.
fn of_partition() -> String {
    format!(
        "{OF_SPAN} and r.record_source is not distinct from $4 and r.record_topic = $5 and r.record_partition = $6
         and coalesce(q.body, r.request) is null and not {IS_MADE_ANEW}"
    )
}

/// The receipts of a partition's records of which the first lies before `offset`.
///
/// # Errors
/// Those of the database.
pub async fn before_offset(
    client: &impl GenericClient,
    span: Span<'_>,
    (partition, offset): (&KeptPartition, i64),
) -> Result<Gone, Error> {
    let sql = format!(
        "select count(*), min(r.received_at), max(r.received_at) {} and r.outcome <> 'no_data' and r.record_offset < $7",
        of_partition()
    );
    let Span { source, from, to } = span;
    let KeptPartition { topic_source, topic, partition, .. } = partition;
    let row = client.query_one(&sql, &[&source, &from, &to, topic_source, topic, partition, &offset]).await?;
    Ok(Gone { receipts: row.try_get(0)?, between: between(&row, 1)? })
}

/// The first time and the last, at `column` and behind it; none where there is none.
fn between(row: &Row, column: usize) -> Result<Option<(Timestamp, Timestamp)>, Error> {
    let (first, last): (Option<Timestamp>, Option<Timestamp>) =
        (row.try_get(column)?, row.try_get(column + 1)?);
    Ok(first.zip(last))
}

/// Up to `limit` receipts of a partition's records behind the one whose first offset and id are `after`, in the order of their offsets.
///
/// # Errors
/// Those of the database.
pub async fn records(
    client: &impl GenericClient,
    span: Span<'_>,
    (partition, after): (&KeptPartition, Option<(i64, Uuid)>),
    limit: i64,
) -> Result<Vec<RecordsReceipt>, Error> {
    let sql = format!(
        "select r.id, r.received_at, r.stored_at, r.event_id, r.record_offset, r.record_last_offset, coalesce(r.records, 1) {}
           and (r.record_offset, r.id) > ($7, $8) order by r.record_offset, r.id limit $9",
        of_partition()
    );
    let statement = client.prepare_cached(&sql).await?;
    let Span { source, from, to } = span;
    let KeptPartition { topic_source, topic, partition, .. } = partition;
    let (offset, id) = after.unwrap_or((-1, Uuid::nil()));
    let rows = client
        .query(&statement, &[&source, &from, &to, topic_source, topic, partition, &offset, &id, &limit])
        .await?;
    let receipt = |row: &Row| {
        Ok(RecordsReceipt {
            receipt_id: row.try_get(0)?,
            received_at: row.try_get(1)?,
            stored_at: row.try_get(2)?,
            event_id: row.try_get(3)?,
            first: row.try_get(4)?,
            last: row.try_get(5)?,
            records: row.try_get(6)?,
        })
    };
    rows.iter().map(receipt).collect()
}

/// Until when something can have been received that a receipt of the span speaks of: that of a range counts as received when the first of
/// its records was, and the last of them was so before the receipt was written.
pub(super) async fn received_to(client: &impl GenericClient, span: Span<'_>) -> Result<Timestamp, Error> {
    let sql = "
        select greatest($3::timestamptz, max(coalesce(stored_at + interval '1 hour', now() + interval '1 hour'))) from receipt
        where source = $1 and received_at >= $2 and received_at < $3 and record_last_offset is not null";
    let Span { source, from, to } = span;
    client.query_one(sql, &[&source, &from, &to]).await?.try_get(0)
}
