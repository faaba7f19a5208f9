//! How far the worker has come in each partition of a topic, and who may write it.
//!
//! ```text
//! take: epoch + 1 ──> every commit demands this epoch and the `next` that it goes on from
//!                          └─ a newer epoch: the partition is another worker's
//! mark: `begun` ──> decode ──> commit: `next`          died between: [next, begun) is read a record at a time
//! ```

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::{Error, Row};

use crate::Topic;

/// A part of a partition, and the epoch under which it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSpan {
    /// The partition.
    pub partition: i32,
    /// The epoch that it was taken with.
    pub epoch: i64,
    /// Which topic of this name it is part of, counted from 1.
    pub incarnation: i32,
    /// `next` before it: what lies below is stored.
    pub from: i64,
    /// `next` after it: the offset behind the last record, and behind the control records that follow it.
    pub end: i64,
}

/// A partition as it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The partition.
    pub partition: i32,
    /// The epoch, newer than any before.
    pub epoch: i64,
    /// Which topic of this name was read; 0 where none was yet.
    pub incarnation: i32,
    /// The offset behind what is stored; below 0 where nothing was looked for yet.
    pub next: i64,
    /// What lies from `next` to here was begun with by a worker that did not finish it.
    pub begun: Option<i64>,
    /// How often the process ended over the record at `next` alone, beside the time when `begun` was left.
    pub deaths: i32,
    /// The last record below `next`.
    pub last: Option<LastRecord>,
}

/// The last record that was stored of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRecord {
    /// Its offset.
    pub offset: i64,
    /// What tells it from a record of another topic of the same name.
    pub hash: i64,
}

/// Takes partitions from whoever has them, in the order of their numbers.
///
/// # Errors
/// Those of the database.
pub async fn take(
    client: &impl GenericClient,
    topic: &Topic,
    partitions: &[i32],
) -> Result<Vec<Taken>, Error> {
    let sql = "
        insert into topic_offset as held (source, topic, \"partition\", next, epoch)
        select $1, $2, p, -1, 1 from unnest($3::int[]) as wanted (p) order by p
        on conflict (source, topic, \"partition\") do update set epoch = held.epoch + 1, left_at = null
        returning \"partition\", epoch, incarnation, next, begun, deaths, last_offset, last_hash";
    let statement = client.prepare_cached(sql).await?;
    client
        .query(&statement, &[&topic.source_text(), &&*topic.name, &partitions])
        .await?
        .iter()
        .map(Taken::read)
        .collect()
}

/// Whether `source` was added before.
///
/// # Errors
/// Those of the database.
pub async fn is_added(client: &impl GenericClient, source: &str) -> Result<bool, Error> {
    let statement = client.prepare_cached("select from topic_source where source = $1").await?;
    Ok(client.query_opt(&statement, &[&source]).await?.is_some())
}

/// A place in a topic of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub next: i64,
}

/// Notes that `source` was added at `at`, where it was not before; what its topics hold below `begin` is not read then.
///
/// # Errors
/// Those of the database.
pub async fn add_source(
    client: &impl GenericClient,
    (source, at): (&str, Timestamp),
    begin: &[Begin],
) -> Result<(), Error> {
    let sql = "
        with added as (
            insert into topic_source (source, added_at) values ($1, $2) on conflict do nothing returning source)
        insert into topic_offset (source, topic, \"partition\", next, incarnation)
        select added.source, t, p, next, 1
        from added, unnest($3::text[], $4::int[], $5::bigint[]) as begin (t, p, next)
        on conflict do nothing";
    let topics: Vec<&str> = begin.iter().map(|begin| begin.topic.as_str()).collect();
    let partitions: Vec<i32> = begin.iter().map(|begin| begin.partition).collect();
    let offsets: Vec<i64> = begin.iter().map(|begin| begin.next).collect();
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&source, &at, &topics, &partitions, &offsets]).await.map(drop)
}

/// Notes that of the topics of `source`, or of the pipeline's own, no other than `read` are read from `at` on: nothing waits in them any
/// more. Who takes a partition of one, or writes it, takes that back.
///
/// # Errors
/// Those of the database.
pub async fn leave_others(
    client: &impl GenericClient,
    (source, at): (Option<&str>, Timestamp),
    read: &[String],
) -> Result<(), Error> {
    let sql =
        "update topic_offset set left_at = $3 where source = $1 and topic <> all($2) and left_at is null";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&source.unwrap_or_default(), &read, &at]).await.map(drop)
}

/// Has each of `places`, a partition and an offset, be read from there on. Who reads them now is fenced, and takes them again.
///
/// # Errors
/// Those of the database.
pub async fn seek(
    client: &impl GenericClient,
    topic: &Topic,
    places: &BTreeMap<i32, i64>,
) -> Result<(), Error> {
    let sql = "
        insert into topic_offset as held (source, topic, \"partition\", next, epoch, incarnation)
        select $1, $2, p, next, 1, 1 from unnest($3::int[], $4::bigint[]) as place (p, next) order by p
        on conflict (source, topic, \"partition\") do update
        set next = excluded.next, epoch = held.epoch + 1, incarnation = greatest(held.incarnation, 1),
            begun = null, deaths = 0, last_offset = null, last_hash = null";
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = places.iter().unzip();
    let statement = client.prepare_cached(sql).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&topic.source_text(), &&*topic.name, &partitions, &offsets];
    client.execute(&statement, &values).await.map(drop)
}

/// Other records than were to be read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The offset of the record that was to be read next.
    pub next: i64,
    /// Why it is not.
    pub kind: GapKind,
    /// When this was found.
    pub found_at: Timestamp,
}

/// Why the record that was to be read next is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// It was gone before it was read.
    Expired,
    /// The topic was deleted and made again.
    MadeAnew,
}

impl GapKind {
    /// The word that the table keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::MadeAnew => "made_anew",
        }
    }
}

/// Begins at `span.from` as `span.incarnation`, where that is not where the partition stood, and tells of the gap before it; whether
/// the partition is still of `span.epoch`.
///
/// # Errors
/// Those of the database.
pub async fn begin_at(
    client: &impl GenericClient,
    topic: &Topic,
    span: &PartitionSpan,
    gap: Option<Gap>,
) -> Result<bool, Error> {
    let sql = "
        with moved as (
            update topic_offset
            set next = $4, incarnation = $5, begun = null, deaths = 0, last_offset = null, last_hash = null
            where topic = $1 and \"partition\" = $2 and epoch = $3 and source = $9
            returning source, topic, \"partition\", incarnation, next),
        told as (
            insert into topic_gap (source, topic, \"partition\", incarnation, next, goes_on_at, kind, found_at)
            select source, topic, \"partition\", incarnation, $6, next, $7::text, $8 from moved where $7::text is not null
            on conflict do nothing)
        select count(*) from moved";
    let statement = client.prepare_cached(sql).await?;
    let (next, kind) = (gap.map(|gap| gap.next), gap.map(|gap| gap.kind.as_str()));
    let found_at = gap.map(|gap| gap.found_at);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] = [
        &&*topic.name,
        &span.partition,
        &span.epoch,
        &span.from,
        &span.incarnation,
        &next,
        &kind,
        &found_at,
        &topic.source_text(),
    ];
    Ok(client.query_one(&statement, &values).await?.try_get::<_, i64>(0)? == 1)
}

/// The partitions in which a gap was found since `since`, the newest first, each with what was found.
///
/// # Errors
/// Those of the database.
pub async fn gaps(client: &impl GenericClient, since: Timestamp, most: i64) -> Result<Vec<String>, Error> {
    let sql = "
        select case kind
               when 'expired' then format('%s%s/%s: records from %s to %s were gone before they were read', prefix, topic,
                                          \"partition\", next, goes_on_at - 1)
               else format('%s%s/%s: the topic was made anew; %s was to be read, and reading went on at %s', prefix, topic,
                           \"partition\", next, goes_on_at) end
        from topic_gap, lateral (select case source when '' then '' else format('source %s: ', source) end) as own (prefix)
        where found_at >= $1 order by found_at desc, source, topic, \"partition\" limit $2";
    client.query(sql, &[&since, &most]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// $1 topic, $2 partitions, $3 epochs, $4 `begun`, $5 deaths, $6 the topic's source. Returns the partitions that are still of their epoch.
const MARK: &str = "
    update topic_offset held set begun = greatest(held.begun, mark.begun), deaths = mark.deaths
    from unnest($2::int[], $3::bigint[], $4::bigint[], $5::int[]) as mark (p, epoch, begun, deaths)
    where held.source = $6 and held.topic = $1 and held.\"partition\" = mark.p and held.epoch = mark.epoch
    returning held.\"partition\"";

/// Notes before they are decoded that the records of `spans` are begun with, and that the process ended `deaths` times over
/// them if it does so now; the partitions that are another worker's. It outlives the process, and not the database's machine.
///
/// # Errors
/// Those of the database.
pub async fn mark(
    client: &deadpool_postgres::Client,
    topic: &Topic,
    spans: &[PartitionSpan],
    deaths: i32,
) -> Result<Vec<i32>, Error> {
    let statement = client.prepare_cached(MARK).await?;
    let partitions: Vec<i32> = spans.iter().map(|span| span.partition).collect();
    let epochs: Vec<i64> = spans.iter().map(|span| span.epoch).collect();
    let ends: Vec<i64> = spans.iter().map(|span| span.end).collect();
    let deaths = vec![deaths; spans.len()];
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&&*topic.name, &partitions, &epochs, &ends, &deaths, &topic.source_text()];
    let marked = futures_util::try_join!(
        client.batch_execute("begin; set local synchronous_commit = off"),
        client.query(&statement, &values),
        client.batch_execute("commit"),
    );
    match marked {
        Ok((_, rows, _)) => missing(spans, &rows),
        Err(error) => {
            // An error is the answer already; the pool drops a connection on which even this fails.
            let _ = client.batch_execute("rollback").await;
            Err(error)
        }
    }
}

/// Whether the topic of the receipt `r` was deleted and made anew since: an expression in SQL.
pub(crate) const IS_MADE_ANEW: &str = "
    coalesce((select nullif(o.incarnation, 0) <> r.record_incarnation from topic_offset o
              where o.source = coalesce(r.record_source, '') and o.topic = r.record_topic
                and o.\"partition\" = r.record_partition), false)";

/// $1 topic, $2 partitions, $3 epochs, $4 `next` before, $5 `next` after, $6 offsets and $7 hashes of the last records, where
/// there are any, $8 the topic's source. Returns the partitions of which all of this holds still.
pub(crate) const ADVANCE: &str = "
    update topic_offset held
    set next = span.behind, deaths = 0, left_at = null, last_offset = coalesce(span.last_offset, held.last_offset),
        last_hash = coalesce(span.last_hash, held.last_hash)
    from unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
         as span (p, epoch, begin, behind, last_offset, last_hash)
    where held.source = $8 and held.topic = $1 and held.\"partition\" = span.p and held.epoch = span.epoch
          and held.next = span.begin
    returning held.\"partition\"";

/// Of `spans` the partitions that `rows` do not name.
pub(crate) fn missing(spans: &[PartitionSpan], rows: &[Row]) -> Result<Vec<i32>, Error> {
    let named = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i32>, Error>>()?;
    Ok(spans.iter().map(|span| span.partition).filter(|partition| !named.contains(partition)).collect())
}

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The partition.
    pub partition: i32,
    /// The newest epoch.
    pub epoch: i64,
    /// The offset behind what is stored.
    pub next: i64,
    /// The last record below it.
    pub last: Option<LastRecord>,
}

/// How far `partitions` are.
///
/// # Errors
/// Those of the database.
pub async fn standing(
    client: &impl GenericClient,
    topic: &Topic,
    partitions: &[i32],
) -> Result<Vec<Standing>, Error> {
    let sql = "
        select \"partition\", epoch, next, last_offset, last_hash from topic_offset
        where topic = $1 and \"partition\" = any($2) and source = $3";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&&*topic.name, &partitions, &topic.source_text()]).await?;
    let standing = |row: &Row| {
        let last = LastRecord::read(row, 3)?;
        Ok(Standing { partition: row.try_get(0)?, epoch: row.try_get(1)?, next: row.try_get(2)?, last })
    };
    rows.iter().map(standing).collect()
}

/// Takes the marks away that a worker left which ends in order.
///
/// # Errors
/// Those of the database.
pub async fn unmark(
    client: &impl GenericClient,
    topic: &Topic,
    partitions: &[(i32, i64)],
) -> Result<(), Error> {
    let sql = "
        update topic_offset held set begun = null, deaths = 0
        from unnest($2::int[], $3::bigint[]) as own (p, epoch)
        where held.source = $4 and held.topic = $1 and held.\"partition\" = own.p and held.epoch = own.epoch";
    let (numbers, epochs): (Vec<i32>, Vec<i64>) = partitions.iter().copied().unzip();
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&&*topic.name, &numbers, &epochs, &topic.source_text()]).await?;
    Ok(())
}

/// Notes that all which `partitions` held at `at` is stored.
///
/// # Errors
/// Those of the database.
pub async fn caught_up(
    client: &impl GenericClient,
    topic: &Topic,
    partitions: &[i32],
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "
        update topic_offset set caught_up_at = greatest(caught_up_at, $3), left_at = null
        where topic = $1 and \"partition\" = any($2) and source = $4";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&&*topic.name, &partitions, &at, &topic.source_text()]).await?;
    Ok(())
}

/// The instant up to which each of `partitions` was caught up with: that of the slowest; `None` where a worker has not
/// caught up with one of them yet.
///
/// # Errors
/// Those of the database.
pub async fn slowest(
    client: &impl GenericClient,
    topic: &Topic,
    partitions: &[i32],
) -> Result<Option<Timestamp>, Error> {
    let sql = "
        select case when bool_and(o.caught_up_at is not null) then min(o.caught_up_at) end
        from unnest($2::int[]) as wanted (p)
        left join topic_offset o on o.source = $3 and o.topic = $1 and o.\"partition\" = wanted.p";
    let statement = client.prepare_cached(sql).await?;
    client.query_one(&statement, &[&&*topic.name, &partitions, &topic.source_text()]).await?.try_get(0)
}

/// The instant up to which every partition that is known of `sources`, and read still, was caught up with; `None` where none is
/// known.
///
/// # Errors
/// Those of the database.
pub async fn slowest_of_sources(
    client: &impl GenericClient,
    sources: &[String],
) -> Result<Option<Timestamp>, Error> {
    let sql = "
        select count(*) > 0, case when bool_and(caught_up_at is not null) then min(caught_up_at) end
        from topic_offset where source = any($1) and left_at is null";
    let statement = client.prepare_cached(sql).await?;
    let row = client.query_one(&statement, &[&sources]).await?;
    let (is_known, slowest): (bool, Option<Timestamp>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(is_known.then(|| slowest.unwrap_or(Timestamp::MIN)))
}

impl LastRecord {
    /// Its offset is in the column `at`, its hash in the next one.
    fn read(row: &Row, at: usize) -> Result<Option<Self>, Error> {
        let last: (Option<i64>, Option<i64>) = (row.try_get(at)?, row.try_get(at + 1)?);
        Ok(last.0.zip(last.1).map(|(offset, hash)| Self { offset, hash }))
    }
}

impl Taken {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            partition: row.try_get(0)?,
            epoch: row.try_get(1)?,
            incarnation: row.try_get(2)?,
            next: row.try_get(3)?,
            begun: row.try_get(4)?,
            deaths: row.try_get(5)?,
            last: LastRecord::read(row, 6)?,
        })
    }
}
