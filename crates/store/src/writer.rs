//! The group commit: payloads that wait together are written together.
//!
//! ```text
//! write(payload) ─> queue ─┬─> worker 1: take all that waits ─> one transaction ─> answer each
//!                          └─> worker 2: the same, while worker 1's transaction is on its way to the disk
//! ```
//!
//! There is no timer: an idle worker takes a lone payload at once, and under load batches form by themselves while
//! the previous ones commit. A batch that fails for its data is tried again in halves, so that one bad row harms its
//! own payload only; any other failure, an unknown commit included, is told to all.

mod batch;
mod payload;
mod statements;
mod tables;
mod transaction;
mod whole;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Client;
use thiserror::Error;
use tokio::sync::{Mutex, mpsc, oneshot};

use self::transaction::Way;
use crate::partitions::Partitions;
use crate::{Database, StoreError};

pub use payload::{Claim, EvaluationRequest, KeptRequest, Payload, Receipt, RecordPlace};

/// Transactions on their way at once; each has its connection.
const WORKERS: usize = 2;
/// Payloads in one transaction.
const BATCH: usize = 256;
/// Bytes of requests in one transaction, so that large payloads do not pile up in memory.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Rows of `reading` in one transaction.
const BATCH_ROWS: usize = 20_000;
/// Payloads that may wait; whoever comes later waits to wait.
const QUEUE: usize = 1024;
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
    /// An equal payload that waited beside it was not written.
    #[error("the same payload failed a moment ago")]
    Twin,
    /// The writer is shutting down.
    #[error("the writer is closed")]
    Closed,
}

/// Writes payloads. Clones share the queue; the workers end when the last clone is gone and the queue is empty.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Waiting>,
    /// For what comes as a batch already.
    direct: Arc<Worker>,
}

#[derive(Debug)]
struct Waiting {
    payload: Payload,
    answer: oneshot::Sender<Result<Written, WriteError>>,
}

impl Writer {
    /// Starts the workers on the current Tokio runtime. Nothing is connected before the first payload.
    pub fn start(database: &Database) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let worker = Arc::new(Worker {
            database: database.clone(),
            partitions: Partitions::default(),
            way: Way::default(),
        });
        for _ in 0..WORKERS {
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
}

#[derive(Debug)]
struct Worker {
    database: Database,
    partitions: Partitions,
    way: Way,
}

impl Worker {
    async fn run(self: Arc<Self>, queue: Arc<Mutex<mpsc::Receiver<Waiting>>>) {
        let mut waiting = Vec::with_capacity(BATCH);
        loop {
            // Whoever waits for the queue holds it; the other worker is writing, or next.
            let taken = queue.lock().await.recv_many(&mut waiting, BATCH).await;
            if taken == 0 {
                return;
            }
            while !waiting.is_empty() {
                let rest = waiting.split_off(fitting(&waiting));
                self.commit(std::mem::replace(&mut waiting, rest)).await;
            }
        }
    }

    /// Writes a batch and answers everybody in it.
    async fn commit(&self, mut batch: Vec<Waiting>) {
        while !batch.is_empty() {
            let Settled { leaders, twins, mut later } = settle_equal_keys(batch);
            later.extend(self.commit_distinct(leaders, twins).await);
            batch = later;
        }
    }

    /// Writes `leaders`, of which no two have the same key, and answers them and their twins. Gives back the twins of those
    /// that were duplicates themselves: what repeats a repetition may come too late to repeat what is stored.
    async fn commit_distinct(&self, leaders: Vec<Waiting>, twins: Vec<Waiting>) -> Vec<Waiting> {
        let (mut failed, mut duplicates) = (Vec::new(), Vec::new());
        let mut parts = vec![leaders];
        while let Some(mut part) = parts.pop() {
            match self.attempt(&part).await {
                Ok(written) => {
                    for (waiting, written) in part.into_iter().zip(written) {
                        if written == Written::Duplicate && !twins.is_empty() {
                            duplicates.push(waiting.payload.claim.clone());
                        }
                        // Whoever does not wait any more gets the payload again and finds it stored.
                        let _ = waiting.answer.send(Ok(written));
                    }
                }
                Err(error) if error.is_data_error() && part.len() > 1 => {
                    let right = part.split_off(part.len() / 2);
                    parts.extend([right, part]);
                }
                Err(error) => {
                    failed.extend(part.iter().map(|waiting| waiting.payload.claim.clone()));
                    refuse(part, error);
                }
            }
        }
        let mut undecided = Vec::new();
        for twin in twins {
            let is_of = |leaders: &[Claim]| {
                leaders.iter().any(|leader| leader.identity() == twin.payload.claim.identity())
            };
            if is_of(&duplicates) {
                undecided.push(twin);
            } else {
                let came = if is_of(&failed) { Err(WriteError::Twin) } else { Ok(Written::Duplicate) };
                let _ = twin.answer.send(came);
            }
        }
        undecided
    }

    async fn attempt(&self, part: &[Waiting]) -> Result<Vec<Written>, StoreError> {
        let payloads: Vec<&Payload> = part.iter().map(|waiting| &waiting.payload).collect();
        let connecting = async {
            let mut client = self.database.client().await?;
            self.partitions.ensure(&mut client, &batch::months(&payloads)).await?;
            Ok::<_, StoreError>(client)
        };
        let client = tokio::time::timeout(LIMIT, connecting).await.map_err(|_| StoreError::Timeout)??;
        let written = tokio::time::timeout(LIMIT, transaction::write(&client, &self.way, &payloads)).await;
        match written {
            Ok(written) => Ok(written?),
            Err(_) => {
                // The connection is in the midst of something: nobody else may have it.
                drop(Client::take(client));
                Err(StoreError::Timeout)
            }
        }
    }
}

fn refuse(part: Vec<Waiting>, error: StoreError) {
    let is_data_error = error.is_data_error();
    let error = Arc::new(error);
    for waiting in part {
        let error = Arc::clone(&error);
        let answer = if is_data_error { WriteError::Data(error) } else { WriteError::Unavailable(error) };
        let _ = waiting.answer.send(Err(answer));
    }
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
struct Settled {
    /// The first of each key.
    leaders: Vec<Waiting>,
    /// Repetitions of the first, and duplicates if that is written.
    twins: Vec<Waiting>,
    /// Of the same key as a first whose time was over, or was yet to come: payloads of their own, written after it.
    later: Vec<Waiting>,
}

enum Place {
    Leader,
    Twin,
    Later,
}

fn settle_equal_keys(batch: Vec<Waiting>) -> Settled {
    let mut firsts = HashMap::with_capacity(batch.len());
    let places: Vec<_> = batch
        .iter()
        .map(|Waiting { payload, .. }| match firsts.entry(payload.claim.identity()) {
            Entry::Vacant(free) => {
                free.insert(payload);
                Place::Leader
            }
            Entry::Occupied(first) if payload.repeats(first.get()) => Place::Twin,
            Entry::Occupied(_) => Place::Later,
        })
        .collect();
    let mut settled = Settled::default();
    for (waiting, place) in batch.into_iter().zip(places) {
        match place {
            Place::Leader => settled.leaders.push(waiting),
            Place::Twin => settled.twins.push(waiting),
            Place::Later => settled.later.push(waiting),
        }
    }
    settled
}
