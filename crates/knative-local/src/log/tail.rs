//! The newest records of a partition, kept in memory: nearly every read wants one of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fjall::Keyspace;

use super::{LogError, Topic, keys};
use crate::record::Record;

/// Records kept, and bytes of data at most: whichever is reached first.
const MAX_RECORDS: usize = 1024;
const MAX_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Tail(Mutex<Newest>);

struct Newest {
    end: u64,
    bytes: usize,
    records: VecDeque<Arc<Record>>,
}

impl Tail {
    /// The tail of a partition on disk: nothing in memory yet. Retention always leaves a partition's last record, so
    /// that its end is known.
    pub(super) fn recover(records: &Keyspace, topic: Topic, partition: u16) -> Result<Self, LogError> {
        let last = records.prefix(keys::prefix(topic, partition)).next_back();
        let end = match last {
            Some(entry) => keys::offset(&entry.key()?)? + 1,
            None => 0,
        };
        Ok(Self(Mutex::new(Newest { end, bytes: 0, records: VecDeque::new() })))
    }

    pub(super) fn end(&self) -> u64 {
        self.lock().end
    }

    /// `None` where the records are older than what is in memory.
    pub(super) fn read(&self, from: u64, max: usize) -> Option<Vec<(u64, Arc<Record>)>> {
        let newest = self.lock();
        let start = newest.end - newest.records.len() as u64;
        let skip = usize::try_from(from.checked_sub(start)?).ok()?;
        Some(
            newest
                .records
                .iter()
                .skip(skip)
                .take(max)
                .zip(from..)
                .map(|(r, offset)| (offset, r.clone()))
                .collect(),
        )
    }

    /// Adds a record that is on disk.
    pub(super) fn push(&self, record: Arc<Record>) {
        let mut newest = self.lock();
        newest.end += 1;
        newest.bytes += record.body.len();
        newest.records.push_back(record);
        while newest.records.len() > MAX_RECORDS || newest.bytes > MAX_BYTES {
            let Some(oldest) = newest.records.pop_front() else { break };
            newest.bytes -= oldest.body.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
