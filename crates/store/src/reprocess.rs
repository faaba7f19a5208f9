//! Requests that are read again.
//!
//! ```text
//! find: which moments have values of which receipts, stream by stream ──> reprocess_row
//! write, a transaction for some requests:
//!     what a request makes now  ──> merged into its moments, as received when the request was
//!     what it made before and does not make now ──> emptied
//!     it has changed something  ──> a receipt of its own, which names the one that it re-reads
//! ```

mod kept;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use deadpool_postgres::GenericClient;
use event_model::reading::ValueKind;
use event_model::{Name, ReceiptOutcome};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_postgres::Error;
use uuid::Uuid;

use crate::device_name::NEVER;
use crate::floors::Floors;
use crate::held::{self, HeldPayload};
use crate::partitions::{Partition, Partitions};
use crate::queries::StoredValue;
use crate::sent::{Instant, SentRow};
use crate::word::Word;
use crate::writer::{Premises, statements, tables};
use crate::{Database, EvaluationRequest, MomentRow, StoreError, Transaction, rollups};

pub use kept::{
    Coverage, Gone, KeptPartition, RecordsReceipt, Span, StoredRequest, before_offset, coverage, records,
    requests,
};

/// Moments of a stream that are looked at in one transaction: none reads moments for long.
const PAGE: i64 = 50_000;
/// How often a transaction is tried that another one is in the way of.
const ATTEMPTS: u32 = 5;
/// After so long what a run has left behind is no run's any more.
const LEFT: SignedDuration = SignedDuration::from_hours(48);

/// What the request of a receipt makes when it is read again, or what all make that are its.
#[derive(Debug, Clone, PartialEq)]
pub struct Reread {
    /// The receipt whose requests were read.
    pub original: Uuid,
    /// How many.
    pub requests: usize,
    /// Some of its requests are not kept: what they made before stays.
    pub is_partial: bool,
    /// The receipt of what it makes now, which its rows name.
    pub receipt: Uuid,
    /// The format that read it.
    pub format: Name,
    /// What came of it.
    pub outcome: ReceiptOutcome,
    /// Its moments.
    pub rows: Vec<MomentRow>,
    /// Items that make no sense.
    pub problems: usize,
    /// Its streams that rules watch.
    pub evaluation_requests: Vec<EvaluationRequest>,
    /// The generation of the registry by which its streams were found.
    pub registry: i64,
}

/// A value that a request has given.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenBefore {
    /// The device's name.
    pub device: String,
    /// The channel.
    pub channel: String,
    /// The metric.
    pub metric: String,
    /// When it was measured.
    pub observed_at: Timestamp,
    /// What kind of value it is.
    pub kind: ValueKind,
    /// The value.
    pub value: StoredValue,
}

/// How requests are read again.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What a request made before and does not make now stays.
    pub keep_old: bool,
    /// Rules look at what has changed.
    pub evaluate: bool,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Changes {
    /// Requests that were read.
    pub requests: u64,
    /// Receipts whose requests changed something.
    pub changing: u64,
    /// Moments that are new.
    pub new: u64,
    /// Moments that say something else than before, or no longer say something.
    pub revised: u64,
    /// Readings that lie below the floor of their source.
    pub expired: u64,
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.changing += other.changing;
        self.new += other.new;
        self.revised += other.revised;
        self.expired += other.expired;
    }
}

/// A run over the requests of one source, by one pipeline.
#[derive(Debug)]
pub struct Run<'a> {
    database: Database,
    floors: Floors,
    partitions: Partitions,
    id: Uuid,
    span: Span<'a>,
    /// The first eight bytes of the pipeline's hash.
    pipeline: i64,
    begun_at: Timestamp,
}

impl<'a> Run<'a> {
    /// One that begins now.
    pub fn new(database: Database, span: Span<'a>, (pipeline, begun_at): (i64, Timestamp)) -> Self {
        Self {
            database,
            floors: Floors::default(),
            partitions: Partitions::default(),
            id: Uuid::now_v7(),
            span,
            pipeline,
            begun_at,
        }
    }

    /// Finds the moments that have values of the span's receipts.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn find(&self) -> Result<(), StoreError> {
        let client = self.database.client().await?;
        let left = self.begun_at.checked_sub(LEFT).unwrap_or(Timestamp::MIN);
        client.execute("delete from reprocess_row where begun_at < $1", &[&left]).await?;
        let streams = "
            select s.id from device d join stream s on s.device_id = d.id
            where d.source = $1 and s.id > $2 order by s.id limit 1000";
        let page = "
            with page as materialized (
                select stream_id, observed_at, received_at, receipt_id, receipt_ids from moment
                where stream_id = $2 and observed_at > coalesce($3::timestamptz, '-infinity') order by observed_at limit $4),
            found as (
                insert into reprocess_row (run, receipt_id, stream_id, observed_at, begun_at)
                select $1, receipt, stream_id, observed_at, $7
                from page cross join lateral (
                    select receipt_id union select unnest(receipt_ids)) as of (receipt)
                where receipt is not null and (receipt_ids is not null or received_at >= $5 and received_at < $6))
            select count(*), max(observed_at) from page";
        let page = client.prepare_cached(page).await?;
        let to = kept::received_to(&client, self.span).await?;
        let mut after = 0;
        loop {
            let rows = client.query(streams, &[&self.span.source, &after]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.try_get(0)?;
            for row in &rows {
                let stream: i32 = row.try_get(0)?;
                let mut behind = None;
                loop {
                    let found = client
                        .query_one(
                            &page,
                            &[
                                &self.id,
                                &stream,
                                &behind.map(Instant),
                                &PAGE,
                                &self.span.from,
                                &to,
                                &self.begun_at,
                            ],
                        )
                        .await?;
                    let (seen, newest): (i64, Option<Timestamp>) = (found.try_get(0)?, found.try_get(1)?);
                    behind = newest;
                    if seen < PAGE {
                        break;
                    }
                }
            }
        }
    }

    /// The values that came with a receipt, or with what has re-read it.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn before_of(&self, receipt: Uuid) -> Result<Vec<GivenBefore>, StoreError> {
        let sql = "
            with receipts as materialized (select $2::uuid as id union select id from receipt where rereads = $2),
                 moments as materialized (
                     select distinct stream_id, observed_at from reprocess_row
                     where run = $1 and receipt_id in (select id from receipts))
            select r.device, r.channel, r.metric, r.observed_at, r.value, r.text, r.unit, r.quality, r.received_at, r.kind
            from moments m
            join stream s on s.id = m.stream_id
            join device d on d.id = s.device_id
            cross join lateral (
                select * from readings
                where source = d.source and device = d.name and channel = s.channel and observed_at = m.observed_at offset 0) as r
            where r.receipt_id in (select id from receipts)";
        let client = self.database.client().await?;
        let statement = client.prepare_cached(sql).await?;
        let rows = client.query(&statement, &[&self.id, &receipt]).await?;
        let before = |row: &tokio_postgres::Row| {
            let Word(kind) = row.try_get(9)?;
            Ok::<_, Error>(GivenBefore {
                device: row.try_get(0)?,
                channel: row.try_get(1)?,
                metric: row.try_get(2)?,
                observed_at: row.try_get(3)?,
                kind,
                value: StoredValue {
                    value: row.try_get(4)?,
                    text: row.try_get(5)?,
                    unit: row.try_get(6)?,
                    quality: row.try_get(7)?,
                    received_at: row.try_get(8)?,
                },
            })
        };
        Ok(rows.iter().map(before).collect::<Result<_, _>>()?)
    }

    /// Where it writes.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// The streams in which something was found, in order.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn streams(&self) -> Result<Vec<i32>, StoreError> {
        let client = self.database.client().await?;
        let sql = "select distinct stream_id from reprocess_row where run = $1 order by 1";
        let rows = client.query(sql, &[&self.id]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, Error>>()?)
    }

    /// Forgets what was found.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end(&self) -> Result<(), StoreError> {
        let client = self.database.client().await?;
        client.execute("delete from reprocess_row where run = $1", &[&self.id]).await?;
        Ok(())
    }

    /// Writes what requests make now, in one transaction; what that has changed. `now` is when their receipts are written. Those that were
    /// held are held no more as far as their known devices go. It is tried again where another transaction was in the way.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is written.
    pub async fn write(
        &self,
        rereads: &[Reread],
        options: Options,
        also: (&[HeldPayload], Timestamp),
    ) -> Result<Changes, StoreError> {
        for _ in 1..ATTEMPTS {
            match self.attempt(rereads.to_vec(), options, also).await {
                Err(error) if error.is_rolled_back() => {}
                written => return written,
            }
        }
        self.attempt(rereads.to_vec(), options, also).await
    }

    async fn attempt(
        &self,
        mut rereads: Vec<Reread>,
        options: Options,
        (held, now): (&[HeldPayload], Timestamp),
    ) -> Result<Changes, StoreError> {
        let mut client = self.database.client().await?;
        let known = self.floors.current(&client).await?;
        let floor = known.of(self.span.source);
        let mut changes = Changes {
            requests: rereads.iter().map(|reread| reread.requests as u64).sum(),
            ..Changes::default()
        };
        for reread in &mut rereads {
            for row in &mut reread.rows {
                row.generation = known.generation(self.pipeline);
            }
            let expired =
                reread.rows.extract_if(.., |row| floor.is_some_and(|floor| row.observed_at < floor));
            changes.expired += expired.map(|row| row.readings() as u64).sum::<u64>();
        }
        let of_rows = |reread: &Reread| {
            let of_row = |row: &MomentRow| Partition::of_moment(row.observed_at, row.received_at);
            reread.rows.iter().filter_map(of_row).collect::<Vec<_>>()
        };
        let mut partitions: BTreeSet<Partition> = rereads.iter().flat_map(of_rows).collect();
        partitions.insert(Partition::of_receipt(now));
        self.partitions.ensure(&client, &partitions).await?;
        let transaction = Transaction::begin(&mut client).await?;
        let before = self.before(&transaction, &rereads).await?;
        let written = Writing {
            rereads: &rereads,
            made: rereads.iter().map(|reread| moments(&reread.rows)).collect(),
            before,
            floor,
            options,
            generation: known.generation(self.pipeline),
        };
        let registry =
            rereads.iter().filter(|reread| !reread.rows.is_empty()).map(|reread| reread.registry).min();
        let premises = Premises { until: known.until, registry };
        let touched = written.write(&transaction, premises, &mut changes).await?;
        self.receipts(&transaction, &rereads, &touched, now).await?;
        changes.changing = touched.len() as u64;
        if options.evaluate {
            let asked = touched.iter().map(|number| (None, &*rereads[*number].evaluation_requests));
            tables::request_evaluation(&transaction, asked).await?;
        }
        see(&transaction, &rereads).await?;
        held::settle(&transaction, held).await?;
        transaction.commit().await?;
        Ok(changes)
    }

    /// The receipts whose values each request's new ones take the place of, and the moments that have such.
    async fn before(&self, transaction: &Transaction<'_>, rereads: &[Reread]) -> Result<Before, StoreError> {
        let originals: Vec<Uuid> = rereads.iter().map(|reread| reread.original).collect();
        let sql = "select rereads, id from receipt where rereads = any($1)";
        let mut receipts: HashMap<Uuid, Vec<Uuid>> = originals.iter().map(|id| (*id, vec![*id])).collect();
        for row in transaction.query(sql, &[&originals]).await? {
            receipts.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
        }
        let all: Vec<Uuid> = receipts.values().flatten().copied().collect();
        let sql = "select distinct stream_id, observed_at from reprocess_row where run = $1 and receipt_id = any($2)";
        let rows = transaction.query(sql, &[&self.id, &all]).await?;
        Ok(Before { receipts, moments: tables::keys_of(&rows)? })
    }

    /// A receipt for each request that has changed something, once.
    async fn receipts(
        &self,
        transaction: &Transaction<'_>,
        rereads: &[Reread],
        touched: &BTreeSet<usize>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "
            insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, pipeline, rereads)
            select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
            where not exists (select from receipt where rereads = $10 and id = $2)";
        for number in touched {
            let reread = &rereads[*number];
            let readings: usize = reread.rows.iter().map(MomentRow::readings).sum();
            let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
            let event_id = reread.original.to_string();
            transaction
                .execute(
                    sql,
                    &[
                        &now,
                        &reread.receipt,
                        &self.span.source,
                        &event_id,
                        &&*reread.format,
                        &reread.outcome.as_str(),
                        &count(readings),
                        &count(reread.problems),
                        &self.pipeline,
                        &reread.original,
                    ],
                )
                .await?;
        }
        Ok(())
    }
}

/// Notes of devices that were expected, and had not sent, that they have: when their first request was received. Rules look at what they have
/// awaited of them.
async fn see(transaction: &Transaction<'_>, rereads: &[Reread]) -> Result<(), StoreError> {
    let mut seen: BTreeMap<i32, Timestamp> = BTreeMap::new();
    for reread in rereads {
        for row in &reread.rows {
            let at = seen.entry(row.stream_id).or_insert(row.received_at);
            *at = row.received_at.min(*at);
        }
    }
    let (streams, times): (Vec<i32>, Vec<Timestamp>) = seen.into_iter().unzip();
    let sql = format!(
        "with seen as (
            select s.device_id as id, min(w.at) as at from unnest($1::integer[], $2::timestamptz[]) as w (stream, at)
            join stream s on s.id = w.stream group by s.device_id),
        first as (
            update device d set first_seen_at = seen.at, last_seen_at = seen.at from seen
            where d.id = seen.id and d.last_seen_at = {NEVER} returning d.id, d.expected_at)
        select s.id, first.expected_at from first join stream s on s.device_id = first.id where first.expected_at is not null order by s.id"
    );
    let rows = transaction.query(&sql, &[&streams, &times]).await?;
    tables::request_evaluation_of(transaction, &rows).await
}

/// What is there of requests.
struct Before {
    /// By the receipt that is re-read: itself, and those of what has re-read it.
    receipts: HashMap<Uuid, Vec<Uuid>>,
    /// Moments that have values of them.
    moments: HashSet<(i32, Timestamp)>,
}

/// A row for each moment.
fn moments<'r>(rows: impl IntoIterator<Item = &'r MomentRow>) -> BTreeMap<(i32, Timestamp), MomentRow> {
    let mut moments: BTreeMap<(i32, Timestamp), MomentRow> = BTreeMap::new();
    for row in rows {
        moments.entry(row.key()).and_modify(|one| *one = one.merged_with(row)).or_insert_with(|| row.clone());
    }
    moments
}

struct Writing<'a> {
    rereads: &'a [Reread],
    /// What each of them makes.
    made: Vec<BTreeMap<(i32, Timestamp), MomentRow>>,
    before: Before,
    floor: Option<Timestamp>,
    options: Options,
    generation: i32,
}

impl Writing<'_> {
    /// Writes the moments; the numbers of the requests that have changed something.
    async fn write(
        &self,
        transaction: &Transaction<'_>,
        Premises { until, registry }: Premises,
        changes: &mut Changes,
    ) -> Result<BTreeSet<usize>, StoreError> {
        let rows = moments(self.made.iter().flat_map(BTreeMap::values));
        let sent: Vec<SentRow<'_>> = rows.values().map(SentRow::from).collect();
        let inserted = transaction.query(statements::NEW_ROWS, &[&sent, &Instant(until), &registry]).await?;
        let inserted = tables::keys_of(&inserted)?;
        let mut keys: BTreeSet<(i32, Timestamp)> =
            rows.keys().filter(|key| !inserted.contains(key)).copied().collect();
        if !self.options.keep_old {
            let is_above = |key: &&(i32, Timestamp)| self.floor.is_none_or(|floor| key.1 >= floor);
            keys.extend(self.before.moments.iter().filter(is_above).filter(|key| !inserted.contains(key)));
        }
        let mut touched: BTreeSet<usize> = inserted.iter().flat_map(|key| self.of_moment(*key)).collect();
        changes.new = inserted.len() as u64;
        let (streams, moments): (Vec<i32>, Vec<Instant>) =
            keys.iter().map(|(stream, at)| (*stream, Instant(*at))).unzip();
        let mut revised = Vec::new();
        for row in transaction.query(statements::EXISTING_ROWS, &[&streams, &moments]).await? {
            let existing = MomentRow::read(&row)?;
            let (mended, by) = self.mended(&existing);
            if !mended.says_the_same_as(&existing) {
                touched.extend(by);
                revised.push(mended);
            }
        }
        changes.revised = revised.len() as u64;
        let revised_keys: Vec<_> = revised.iter().map(MomentRow::key).collect();
        let revised: Vec<SentRow<'_>> = revised.iter().map(SentRow::from).collect();
        transaction.execute(statements::REVISE_ROWS, &[&revised]).await?;
        let changed = revised_keys.into_iter().chain(inserted);
        rollups::request_in(transaction, &rollups::hours_to_roll(changed, until)).await?;
        Ok(touched)
    }

    /// The numbers of the requests that make something of a moment.
    fn of_moment(&self, key: (i32, Timestamp)) -> impl Iterator<Item = usize> {
        self.made
            .iter()
            .enumerate()
            .filter(move |(_, made)| made.contains_key(&key))
            .map(|(number, _)| number)
    }

    /// The moment with what the requests say of it now, and the numbers of those that have a part in that.
    fn mended(&self, existing: &MomentRow) -> (MomentRow, Vec<usize>) {
        let (mut mended, mut by) = (existing.clone(), Vec::new());
        for (number, (reread, made)) in self.rereads.iter().zip(&self.made).enumerate() {
            let new = made.get(&existing.key());
            let keeps_old = self.options.keep_old || reread.is_partial;
            let receipts = self.before.receipts.get(&reread.original).filter(|_| !keeps_old);
            let by_now = (self.generation, reread.receipt);
            let emptied = receipts.and_then(|receipts| mended.emptied(receipts, new, by_now));
            if new.is_some() || emptied.is_some() {
                by.push(number);
            }
            mended = emptied.unwrap_or(mended);
            if let Some(new) = new {
                mended = mended.merged_with(new);
            }
        }
        (mended, by)
    }
}
