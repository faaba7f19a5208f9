//! The one thread that writes: everything that waits goes to disk with one fsync.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use tokio::sync::{oneshot, watch};

use super::tail::Tail;
use super::{LogError, Topic, keys};
use crate::record::Record;

/// Writes that share an fsync at most.
const MAX_GROUP: usize = 1024;

/// Answered when the disk has it.
type Done<T> = oneshot::Sender<Result<T, LogError>>;

pub(super) enum Write {
    Append { topic: Topic, partition: u16, record: Arc<Record>, done: Done<u64> },
    Commit { consumer: String, positions: Vec<u64>, done: Done<()> },
    Forget { consumer: String, done: Done<()> },
    Retain { topic: Topic, below: Vec<u64> },
}

pub(super) struct Writer {
    database: Database,
    records: Keyspace,
    positions: Keyspace,
    tails: Arc<BTreeMap<Topic, Vec<Tail>>>,
    appended: Arc<watch::Sender<u64>>,
    /// The oldest record that is kept, by partition.
    starts: BTreeMap<Topic, Vec<u64>>,
}

/// What is notified when the batch is on disk.
#[derive(Default)]
struct Pending {
    appends: Vec<Appended>,
    others: Vec<Done<()>>,
    retained: Vec<(Topic, Vec<u64>)>,
}

struct Appended {
    topic: Topic,
    partition: u16,
    offset: u64,
    record: Arc<Record>,
    done: Done<u64>,
}

impl Writer {
    pub(super) fn new(
        database: Database,
        records: Keyspace,
        positions: Keyspace,
        tails: Arc<BTreeMap<Topic, Vec<Tail>>>,
        appended: Arc<watch::Sender<u64>>,
    ) -> Result<Self, LogError> {
        let mut starts = BTreeMap::new();
        for (&topic, partitions) in tails.iter() {
            let mut oldest = Vec::with_capacity(partitions.len());
            for (partition, tail) in (0..).zip(partitions) {
                oldest.push(match records.prefix(keys::prefix(topic, partition)).next() {
                    Some(entry) => keys::offset(&entry.key()?)?,
                    None => tail.end(),
                });
            }
            starts.insert(topic, oldest);
        }
        Ok(Self { database, records, positions, tails, appended, starts })
    }

    /// Runs until the other end of the channel is dropped.
    pub(super) fn start(mut self, writes: mpsc::Receiver<Write>) -> JoinHandle<()> {
        std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || {
                while let Ok(first) = writes.recv() {
                    let group: Vec<_> =
                        std::iter::once(first).chain(writes.try_iter().take(MAX_GROUP - 1)).collect();
                    self.write(group);
                }
            })
            .expect("a machine that runs services can start one more thread")
    }

    fn write(&mut self, group: Vec<Write>) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut pending = Pending::default();
        let mut ends: BTreeMap<(Topic, u16), u64> = BTreeMap::new();
        for write in group {
            match write {
                Write::Append { topic, partition, record, done } => {
                    let end = ends
                        .entry((topic, partition))
                        .or_insert_with(|| self.tails[&topic][usize::from(partition)].end());
                    batch.insert(&self.records, keys::record(topic, partition, *end), record.to_bytes());
                    pending.appends.push(Appended { topic, partition, offset: *end, record, done });
                    *end += 1;
                }
                Write::Commit { consumer, positions, done } => {
                    for (partition, position) in positions.iter().enumerate() {
                        let key = keys::position(&consumer, partition);
                        batch.insert(&self.positions, key, position.to_be_bytes());
                    }
                    pending.others.push(done);
                }
                Write::Forget { consumer, done } => {
                    for partition in 0..self.tails[&Topic::Broker].len() {
                        batch.remove(&self.positions, keys::position(&consumer, partition));
                    }
                    pending.others.push(done);
                }
                Write::Retain { topic, below } => {
                    self.drop_records(&mut batch, topic, &below);
                    pending.retained.push((topic, below));
                }
            }
        }
        let outcome = batch.commit().map_err(LogError::from);
        self.tell(pending, &outcome);
    }

    fn drop_records(&self, batch: &mut OwnedWriteBatch, topic: Topic, below: &[u64]) {
        for (partition, (&start, &below)) in (0..).zip(self.starts[&topic].iter().zip(below)) {
            // The last record stays: it is how the partition's end is known after a restart.
            let end = self.tails[&topic][usize::from(partition)].end();
            for offset in start..below.min(end.saturating_sub(1)) {
                batch.remove(&self.records, keys::record(topic, partition, offset));
            }
        }
    }

    fn tell(&mut self, pending: Pending, outcome: &Result<(), LogError>) {
        if let Err(error) = outcome {
            tracing::error!(%error, "nothing can be written to the log");
        }
        let appended = !pending.appends.is_empty();
        for Appended { topic, partition, offset, record, done } in pending.appends {
            if outcome.is_ok() {
                self.tails[&topic][usize::from(partition)].push(record);
            }
            // A caller that no longer waits needs no answer.
            let _ = done.send(outcome.clone().map(|()| offset));
        }
        for done in pending.others {
            let _ = done.send(outcome.clone());
        }
        if outcome.is_ok() {
            for (topic, below) in pending.retained {
                self.moved(topic, &below);
            }
            if appended {
                self.appended.send_modify(|batches| *batches += 1);
            }
        }
    }

    fn moved(&mut self, topic: Topic, below: &[u64]) {
        let Some(starts) = self.starts.get_mut(&topic) else { return };
        for (partition, (start, &below)) in starts.iter_mut().zip(below).enumerate() {
            let end = self.tails[&topic][partition].end();
            *start = (*start).max(below.min(end.saturating_sub(1)));
        }
    }
}
