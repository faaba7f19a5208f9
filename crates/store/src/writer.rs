//! The group commit: payloads that wait together are written together.
//!
//! ```text
//! write(payload) ─> queue ─┬─> worker 1: take all that waits ─> one transaction ─> answer each
//!                          └─> worker 2: the same, while worker 1's transaction is on its way to the disk
//! ```
//!
//! There is no timer: an idle worker takes what is there at once, and under load batches form by themselves while
//! the previous ones commit. A batch that fails for its data is tried again in halves, so that one bad row harms its
//! own payload only; any other failure, an unknown commit included, is the answer to all.

pub(crate) mod batch;
mod hold;
mod payload;
mod ranges;
mod receipt_row;
pub(crate) mod statements;
pub(crate) mod tables;
mod topic;
mod transaction;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_postgres::error::SqlState;

use self::transaction::InsertStrategy;
use crate::floors::Floors;
use crate::partitions::Partitions;
use crate::refusals::{self, Refusals};
use crate::{Database, StoreError};

pub use payload::{EvaluationRequest, KeptRequest, Payload, Receipt, ReceiptKey};
pub use topic::{TopicBatch, TopicContent, TopicEntry, TopicWriteError};

/// Transactions of a queue on their way at once; each has its connection.
const WORKERS: usize = 2;
/// Payloads in one transaction.
const BATCH: usize = 256;
/// Bytes of requests in one transaction, so that large payloads do not pile up in memory.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Moments in one transaction.
const BATCH_ROWS: usize = 20_000;
/// Payloads that may wait; a caller beyond waits for its place in the queue.
const QUEUE: usize = 1024;
/// How often a batch is tried again that was rolled back for the sake of another transaction, as one that reads requests again.
const DEADLOCKS: u32 = 3;
/// For one transaction, connecting included.
const LIMIT: Duration = Duration::from_secs(20);

/// What became of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the database now.
    Stored,
    /// It was there before; nothing was written.
    Duplicate,
}

/// Why a payload was not written, or is not known to be.
#[derive(Debug, Clone, Error)]
pub enum WriteError {
    /// The database refuses the payload's own data; trying again is no use.
    #[error("the database refuses the data")]
    Data(#[source] Arc<StoreError>),
    /// Something failed that has nothing to do with the payload.
    #[error("the write failed")]
    Unavailable(#[source] Arc<StoreError>),
    /// A duplicate within the batch of a payload that was not written.
    #[error("the same payload failed a moment ago")]
    Duplicate,
    /// The writer is shutting down.
    #[error("the writer is closed")]
    Closed,
}

/// What a transaction relies on, and fails where it does not hold any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Premises {
    /// When it begins at the latest ([`crate::floors`]).
    pub(crate) until: Timestamp,
    /// The generation of the registry by which the streams of its rows were found ([`crate::name_generation`]): the first one, where they
    /// differ; none where nothing of them names a device.
    pub(crate) registry: Option<i64>,
}

impl Premises {
    const fn new(until: Timestamp) -> Self {
        Self { until, registry: None }
    }

    fn add(&mut self, payload: &Payload) {
        // What was found without a look at any device relies on none.
        if payload.names_devices() && payload.registry > 0 {
            let first = self.registry.unwrap_or(payload.registry);
            self.registry = Some(first.min(payload.registry));
        }
    }
}

/// Writes payloads. Clones share the queue; the workers end when the last clone is gone and the queue is empty.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Waiting>,
    /// For what comes as a batch already.
    direct: Arc<Worker>,
}

/// What writers of one process share.
#[derive(Debug, Default)]
struct Shared {
    partitions: Partitions,
    floors: Floors,
    strategy: InsertStrategy,
    refusals: Refusals,
    observer: OnceLock<Observer>,
}

/// What is given the number of payloads of each transaction.
pub struct Observer(pub Box<dyn Fn(usize) + Send + Sync>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

#[derive(Debug)]
struct Waiting {
    payload: Payload,
    answer: oneshot::Sender<Result<Written, WriteError>>,
}

impl Writer {
    /// Starts the workers on the current Tokio runtime. Nothing is connected before the first payload.
    pub fn start(database: &Database) -> Self {
        Self::with(database.clone(), Arc::default(), WORKERS)
    }

    /// The same, which relies on floors for so long at most ([`crate::floors`]).
    pub fn with_floor_age(database: &Database, max_age: SignedDuration) -> Self {
        let shared = Shared { floors: Floors::new(max_age), ..Shared::default() };
        Self::with(database.clone(), Arc::new(shared), WORKERS)
    }

    /// Another one, whose one worker is on the current Tokio runtime: a thread that serves requests writes what it takes by
    /// itself, over connections that nobody else uses, and no payload crosses threads.
    #[must_use]
    pub fn on_this_thread(&self, database: Database) -> Self {
        Self::with(database, Arc::clone(&self.direct.shared), 1)
    }

    fn with(database: Database, shared: Arc<Shared>, workers: usize) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let worker = Arc::new(Worker { database, shared });
        for _ in 0..workers {
            tokio::spawn(Arc::clone(&worker).run(Arc::clone(&waiting)));
        }
        Self { queue, direct: worker }
    }

    /// Writes a payload; returns after the commit that holds it.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn write(&self, payload: Payload) -> Result<Written, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { payload, answer }).await.map_err(|_| WriteError::Closed)?;
        answered.await.map_err(|_| WriteError::Closed)?
    }

    /// Has `observer` know how many payloads each transaction held, from now on, those of writers that share with this one too; the
    /// first observer stays.
    pub fn observe(&self, observer: Observer) {
        let _ = self.direct.shared.observer.set(observer);
    }

    /// Notes that a payload was refused at this time, which the next transaction records ([`crate::refusals`]).
    pub fn note_refusal(&self, at: Timestamp) {
        self.direct.shared.refusals.note(at);
    }

    /// Records what was noted of refusals and no transaction has recorded yet.
    ///
    /// # Errors
    /// [`StoreError`]; it stays noted.
    pub async fn record_refusal(&self) -> Result<(), StoreError> {
        let Some(at) = self.direct.shared.refusals.take() else { return Ok(()) };
        let recorded = async { Ok(refusals::record(&self.direct.database.client().await?, at).await?) };
        recorded.await.inspect_err(|_| self.direct.shared.refusals.note(at))
    }
}

#[derive(Debug)]
struct Worker {
    database: Database,
    shared: Arc<Shared>,
}

impl Worker {
    async fn run(self: Arc<Self>, queue: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            // The worker that waits for the queue holds it; the other one is writing, or next.
            let mut queue = queue.lock().await;
            if queue.recv_many(&mut waiting, BATCH).await == 0 {
                return;
            }
            // What has arrived at this thread's sockets meanwhile comes along, as long as more does.
            let mut taken = 0;
            while (taken + 1..BATCH).contains(&waiting.len()) {
                taken = waiting.len();
                tokio::task::yield_now().await;
                waiting.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(BATCH - taken));
            }
            drop(queue);
            while !waiting.is_empty() {
                let rest = waiting.split_off(fitting(&waiting));
                self.commit(std::mem::replace(&mut waiting, rest)).await;
            }
        }
    }

    /// Writes a batch and answers each payload of it, but those that nobody waits for any more: they come again.
    async fn commit(&self, mut batch: Vec<Waiting>) {
        batch.retain(|waiting| !waiting.answer.is_closed());
        while !batch.is_empty() {
            let ByKey { first, duplicate, mut subsequent } = by_key(batch);
            subsequent.extend(self.commit_distinct(first, duplicate).await);
            batch = subsequent;
        }
    }

    /// Writes payloads of which no two have the same key, and answers them and their duplicates within the batch. Gives back the
    /// duplicates of those that were duplicates themselves: what repeats a repetition may come too late to repeat what is stored;
    /// and those of payloads that nobody waited for any more, which are not written.
    async fn commit_distinct(&self, first: Vec<Waiting>, duplicates: Vec<Waiting>) -> Vec<Waiting> {
        let (mut failed, mut unsettled) = (Vec::new(), Vec::new());
        let (mut parts, mut again) = (vec![first], 0..DEADLOCKS);
        while let Some(mut part) = parts.pop() {
            match self.attempt(&mut part, &mut unsettled).await {
                Ok(written) => {
                    for (Waiting { payload, answer }, written) in part.into_iter().zip(written) {
                        if written == Written::Duplicate && !duplicates.is_empty() {
                            unsettled.push(payload);
                        }
                        // A caller that does not wait any more gets the payload again and finds it stored.
                        let _ = answer.send(Ok(written));
                    }
                }
                Err(error) if error.is_data_error() && part.len() > 1 => {
                    let right = part.split_off(part.len() / 2);
                    parts.extend([right, part]);
                }
                Err(error) if error.is_deadlock() && again.next().is_some() => parts.push(part),
                Err(error) => failed.extend(refuse(part, error)),
            }
        }
        let mut undecided = Vec::new();
        for duplicate in duplicates {
            let is_of = |payloads: &[Payload]| {
                payloads.iter().any(|payload| payload.identity() == duplicate.payload.identity())
            };
            if is_of(&unsettled) {
                undecided.push(duplicate);
            } else {
                let answer = if is_of(&failed) { Err(WriteError::Duplicate) } else { Ok(Written::Duplicate) };
                let _ = duplicate.answer.send(answer);
            }
        }
        undecided
    }

    /// Why something was not written. Where the floors did not hold any more, the next attempt reads them anew.
    fn failed(&self, error: tokio_postgres::Error) -> StoreError {
        if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) {
            self.shared.floors.forget();
        }
        error.into()
    }

    fn committed(&self, payloads: usize) {
        if let Some(Observer(observer)) = self.shared.observer.get() {
            observer(payloads);
        }
    }

    /// Writes `part`; what became of each that is left in it, in order. Those that nobody waits for any more once there is a
    /// connection are `abandoned` instead.
    async fn attempt(
        &self,
        part: &mut Vec<Waiting>,
        abandoned: &mut Vec<Payload>,
    ) -> Result<Vec<Written>, StoreError> {
        let connecting = async {
            let client = self.database.client().await?;
            let floors = self.shared.floors.current(&client).await?;
            part.iter_mut().for_each(|waiting| waiting.payload.settle(&floors));
            self.shared.partitions.ensure(&client, &batch::partitions(&payloads_of(part))).await?;
            Ok::<_, StoreError>((client, floors.until))
        };
        let (client, until) =
            tokio::time::timeout(LIMIT, connecting).await.map_err(|_| StoreError::Timeout)??;
        let closed = part.extract_if(.., |waiting| waiting.answer.is_closed());
        abandoned.extend(closed.map(|waiting| waiting.payload));
        if part.is_empty() {
            return Ok(Vec::new());
        }
        let payloads = payloads_of(part);
        let mut premises = Premises::new(until);
        payloads.iter().for_each(|payload| premises.add(payload));
        let refused = self.shared.refusals.due();
        let write = transaction::write(&client, &self.shared.strategy, (&payloads, refused, premises));
        let written = tokio::time::timeout(LIMIT, write).await;
        if let (Some(at), Err(_) | Ok(Err(_))) = (refused, &written) {
            self.shared.refusals.give_back(at);
        }
        match written {
            Ok(Ok(written)) => {
                self.committed(part.len());
                Ok(written)
            }
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => {
                // The connection is in the midst of something: it is closed.
                drop(Client::take(client));
                Err(StoreError::Timeout)
            }
        }
    }
}

fn payloads_of(part: &[Waiting]) -> Vec<&Payload> {
    part.iter().map(|waiting| &waiting.payload).collect()
}

/// Answers all with the error, and gives them back.
fn refuse(part: Vec<Waiting>, error: StoreError) -> impl Iterator<Item = Payload> {
    let is_data_error = error.is_data_error();
    let error = Arc::new(error);
    part.into_iter().map(move |Waiting { payload, answer }| {
        let error = Arc::clone(&error);
        let refused = if is_data_error { WriteError::Data(error) } else { WriteError::Unavailable(error) };
        let _ = answer.send(Err(refused));
        payload
    })
}

/// How many of the first payloads go into one transaction; at least one.
fn fitting(waiting: &[Waiting]) -> usize {
    let (mut bytes, mut rows) = (0, 0);
    let fits = waiting.iter().take_while(|waiting| {
        bytes += waiting.payload.receipt.request.len();
        rows += waiting.payload.rows.len();
        bytes <= BATCH_BYTES && rows <= BATCH_ROWS
    });
    fits.count().clamp(1, waiting.len())
}

/// A batch by what its keys allow.
#[derive(Default)]
struct ByKey {
    /// The first payload of each key.
    first: Vec<Waiting>,
    /// Repetitions of a first one: duplicates, if that is written.
    duplicate: Vec<Waiting>,
    /// Of the same key as a first one that had expired, or came later than this expires: payloads of their own, written after it.
    subsequent: Vec<Waiting>,
}

enum Role {
    First,
    Duplicate,
    Subsequent,
}

fn by_key(batch: Vec<Waiting>) -> ByKey {
    let mut firsts = HashMap::with_capacity(batch.len());
    let roles: Vec<_> = batch
        .iter()
        .map(|Waiting { payload, .. }| match firsts.entry(payload.identity()) {
            Entry::Vacant(free) => {
                free.insert(payload);
                Role::First
            }
            Entry::Occupied(first) if payload.repeats(first.get()) => Role::Duplicate,
            Entry::Occupied(_) => Role::Subsequent,
        })
        .collect();
    let mut sorted = ByKey::default();
    for (waiting, role) in batch.into_iter().zip(roles) {
        match role {
            Role::First => sorted.first.push(waiting),
            Role::Duplicate => sorted.duplicate.push(waiting),
            Role::Subsequent => sorted.subsequent.push(waiting),
        }
    }
    sorted
}
