//! The log on disk: topics of partitions of records, and the consumers' positions.
//!
//! ```text
//! append ──> writer thread: one batch of all that wait, one fsync ──> tail in memory ──> consumers
//!                                   │                                       ▲
//!                                   └──> fjall ── records older than the tail
//! ```

mod keys;
mod tail;
mod writer;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use crate::record::{Damaged, Record};
use tail::Tail;
use writer::{Write, Writer};

/// A series of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// The broker's.
    Broker,
    /// What no subscriber took.
    DeadLetters,
}

impl Topic {
    pub(crate) const ALL: [Self; 2] = [Self::Broker, Self::DeadLetters];
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: u16,
    pub(crate) offset: u64,
}

/// The log cannot be read or written.
#[derive(Debug, Clone, Error)]
pub enum LogError {
    /// The store failed; nothing was written.
    #[error("the log on disk failed: {0}")]
    Store(Arc<fjall::Error>),
    /// A record or a position has an unknown shape.
    #[error("the log on disk is damaged: {0}")]
    Damaged(&'static str),
    /// The log is closed, because the broker is stopping.
    #[error("the log is closed")]
    Closed,
}

impl From<fjall::Error> for LogError {
    fn from(error: fjall::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<Damaged> for LogError {
    fn from(_: Damaged) -> Self {
        Self::Damaged("a record cannot be read")
    }
}

/// The open log.
pub(crate) struct Log {
    writes: Mutex<Option<mpsc::Sender<Write>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    records: RwLock<Option<Keyspace>>,
    tails: Arc<BTreeMap<Topic, Vec<Tail>>>,
    appended: Arc<watch::Sender<u64>>,
    positions: Mutex<BTreeMap<String, Vec<u64>>>,
    next_partition: AtomicUsize,
}

impl Log {
    /// Opens the log in a folder; a new broker topic gets that many partitions, the dead letter topic has one.
    ///
    /// # Errors
    /// [`LogError`] where the folder cannot be read or written, or another process has it open.
    pub(crate) fn open(folder: &Path, partitions: u16) -> Result<Self, LogError> {
        // A log of a laptop: half of fjall's own sizes are more than enough.
        let database =
            Database::builder(folder).worker_threads(1).max_journaling_size(64 * 1024 * 1024).open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(16 * 1024 * 1024);
        let records = database.keyspace("records", options)?;
        let positions = database.keyspace("positions", options)?;
        let shape = database.keyspace("shape", KeyspaceCreateOptions::default)?;

        let mut tails = BTreeMap::new();
        for (topic, wanted) in [(Topic::Broker, partitions), (Topic::DeadLetters, 1)] {
            let count = keys::partitions(&shape, topic, wanted)?;
            let topic_tails: Result<Vec<_>, LogError> =
                (0..count).map(|partition| Tail::recover(&records, topic, partition)).collect();
            tails.insert(topic, topic_tails?);
        }
        let known = keys::positions(&positions)?;
        let tails = Arc::new(tails);
        let appended = Arc::new(watch::Sender::new(0));
        let (writes, receiver) = mpsc::channel();
        let writer = Writer::new(database, records.clone(), positions, tails.clone(), appended.clone())?
            .start(receiver);
        Ok(Self {
            writes: Mutex::new(Some(writes)),
            writer: Mutex::new(Some(writer)),
            records: RwLock::new(Some(records)),
            tails,
            appended,
            positions: Mutex::new(known),
            next_partition: AtomicUsize::new(0),
        })
    }

    /// Appends a record; it is on disk when this returns. Records of one key go to one partition.
    ///
    /// # Errors
    /// [`LogError`]; nothing was written then, or it is not known.
    pub(crate) async fn append(&self, topic: Topic, record: Record) -> Result<Place, LogError> {
        let partition = self.partition_for(topic, record.attribute("partitionkey"));
        let (done, answer) = oneshot::channel();
        self.write(Write::Append { topic, partition, record: Arc::new(record), done })?;
        let offset = answer.await.map_err(|_| LogError::Closed)??;
        Ok(Place { partition, offset })
    }

    fn partition_for(&self, topic: Topic, key: Option<&str>) -> u16 {
        let count = self.tails[&topic].len();
        let index = match key {
            Some(key) => {
                let mut hasher = DefaultHasher::new();
                key.hash(&mut hasher);
                (hasher.finish() % count as u64) as usize
            }
            None => self.next_partition.fetch_add(1, Relaxed) % count,
        };
        u16::try_from(index).expect("partitions were counted in 16 bits")
    }

    /// At most `max` records of a partition, from an offset on.
    ///
    /// # Errors
    /// [`LogError`] where the disk cannot be read.
    pub(crate) fn read(
        &self,
        topic: Topic,
        partition: u16,
        from: u64,
        max: usize,
    ) -> Result<Vec<(u64, Arc<Record>)>, LogError> {
        let tail = &self.tails[&topic][usize::from(partition)];
        if let Some(records) = tail.read(from, max) {
            return Ok(records);
        }
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        let Some(records) = records.as_ref() else { return Err(LogError::Closed) };
        keys::range(records, topic, partition, from, max)
    }

    /// The offset that the next record of each partition gets.
    pub(crate) fn ends(&self, topic: Topic) -> Vec<u64> {
        self.tails[&topic].iter().map(Tail::end).collect()
    }

    /// Changes after each batch of appends.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// The committed positions of a consumer. A new one starts at the latest, and that is on disk when this returns.
    ///
    /// # Errors
    /// [`LogError`] where the disk cannot be written.
    pub(crate) async fn join(&self, topic: Topic, consumer: &str) -> Result<Vec<u64>, LogError> {
        let known = self.lock_positions().get(consumer).cloned();
        let mut positions = known.unwrap_or_default();
        let ends = self.ends(topic);
        if positions.len() < ends.len() {
            positions.extend_from_slice(&ends[positions.len()..]);
            self.commit(consumer, positions.clone()).await?;
        }
        Ok(positions)
    }

    /// Keeps a consumer's positions: everything below them is done.
    ///
    /// # Errors
    /// [`LogError`] where the disk cannot be written.
    pub(crate) async fn commit(&self, consumer: &str, positions: Vec<u64>) -> Result<(), LogError> {
        let (done, answer) = oneshot::channel();
        self.write(Write::Commit { consumer: consumer.to_owned(), positions: positions.clone(), done })?;
        answer.await.map_err(|_| LogError::Closed)??;
        self.lock_positions().insert(consumer.to_owned(), positions);
        Ok(())
    }

    /// Forgets the consumers of a topic that are not named: a deleted Trigger's group is gone.
    ///
    /// # Errors
    /// [`LogError`] where the disk cannot be written.
    pub(crate) async fn keep_only(&self, consumers: &[&str]) -> Result<(), LogError> {
        let gone: Vec<String> = self
            .lock_positions()
            .keys()
            .filter(|name| !consumers.contains(&name.as_str()))
            .cloned()
            .collect();
        for consumer in gone {
            let (done, answer) = oneshot::channel();
            self.write(Write::Forget { consumer: consumer.clone(), done })?;
            answer.await.map_err(|_| LogError::Closed)??;
            self.lock_positions().remove(&consumer);
        }
        Ok(())
    }

    /// Drops the records of a topic that all of these consumers have committed.
    pub(crate) fn retain(&self, topic: Topic, consumers: &[&str]) {
        let mut below = self.ends(topic);
        {
            let positions = self.lock_positions();
            for consumer in consumers {
                let Some(committed) = positions.get(*consumer) else { return };
                for (below, committed) in below.iter_mut().zip(committed) {
                    *below = (*below).min(*committed);
                }
            }
        }
        // A closed log drops nothing.
        let _ = self.write(Write::Retain { topic, below });
    }

    /// Closes the log; another process can open it when this returns.
    pub(crate) fn close(&self) {
        drop(self.writes.lock().unwrap_or_else(PoisonError::into_inner).take());
        drop(self.records.write().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = writer.map(JoinHandle::join) {
            tracing::error!("the writer of the log panicked");
        }
    }

    fn write(&self, write: Write) -> Result<(), LogError> {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writes) = writes.as_ref() else { return Err(LogError::Closed) };
        writes.send(write).map_err(|_| LogError::Closed)
    }

    fn lock_positions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u64>>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
