//! How far each partition has come: what is ours, what may be committed, and what is still under way.
//!
//! ```text
//! begun:     [ 0..=99 ] [ 100..=180 ] [ 181..=220 ]      batches of a partition, in the order of their offsets
//! finished:      yes         no            yes
//! position:  100                                        everything below it is safe
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::record::Record;

/// A partition that is ours, and where it is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// The partition.
    pub partition: i32,
    /// What it is written under: raised whenever it is taken.
    pub epoch: i64,
    /// Which topic of this name, counted from 1.
    pub incarnation: i32,
    /// The offset of the first record that is read.
    pub next: i64,
}

/// A batch's part in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The partition, as it was taken.
    pub owned: Owned,
    /// The offset behind what is below the batch.
    pub from: i64,
    /// The offset behind its last record, and behind the control records that follow it.
    pub end: i64,
}

/// A batch that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(u64);

/// Records that are handled as one.
#[derive(Debug)]
pub struct Batch {
    /// By which its end is told.
    pub id: BatchId,
    /// Batches of one lane are handled in their order; those of a partition are of one lane.
    pub lane: usize,
    /// The records, in the order of their places.
    pub records: Vec<Record>,
    /// The spans of their partitions, in order. All records within them are here.
    pub spans: Vec<Span>,
}

/// What this process has read of its partitions.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: BTreeMap<i32, Partition>,
    /// Partitions that the group gives us and another process took, or that could not be taken: when they are to be taken again.
    untaken: BTreeMap<i32, Instant>,
    batches: u64,
    under_way: BTreeSet<BatchId>,
}

#[derive(Debug)]
struct Partition {
    owned: Owned,
    lane: usize,
    /// The offset of the record that is read next.
    position: i64,
    begun: VecDeque<Begun>,
    /// The offset behind everything that is safe, where that is not committed yet.
    to_commit: Option<i64>,
}

#[derive(Debug)]
struct Begun {
    batch: BatchId,
    end: i64,
    finished: bool,
}

impl Progress {
    /// A partition is ours, one of the least loaded of `lanes`. `committed` is what the group has committed.
    pub(crate) fn assign(&mut self, owned: Owned, committed: Option<i64>, lanes: usize) {
        self.forget(&[owned.partition]);
        let load = |lane: &usize| self.partitions.values().filter(|one| one.lane == *lane).count();
        let lane = (0..lanes.max(1)).min_by_key(load).unwrap_or_default();
        let to_commit = (committed != Some(owned.next)).then_some(owned.next);
        let (position, begun) = (owned.next, VecDeque::new());
        self.partitions.insert(owned.partition, Partition { owned, lane, position, begun, to_commit });
    }

    /// The group gives us a partition that is not taken; it is to be at `again_at`.
    pub(crate) fn leave_untaken(&mut self, partition: i32, again_at: Instant) {
        self.forget(&[partition]);
        self.untaken.insert(partition, again_at);
    }

    /// Another process took the partition since it was taken with `epoch`. It is taken again where the group still gives it to us.
    pub fn lose(&mut self, partition: i32, epoch: i64, again_at: Instant) {
        if self.is_owned(partition, epoch) {
            self.leave_untaken(partition, again_at);
        }
    }

    /// All is to be taken again.
    pub(crate) fn lose_all(&mut self) {
        let now = Instant::now();
        for partition in std::mem::take(&mut self.partitions).into_keys() {
            self.untaken.insert(partition, now);
        }
    }

    /// What is to be taken by now.
    pub(crate) fn to_take(&self, now: Instant) -> Vec<i32> {
        self.untaken.iter().filter(|(_, at)| **at <= now).map(|(partition, _)| *partition).collect()
    }

    /// Whether a partition is ours as it was taken with `epoch`.
    pub(crate) fn is_owned(&self, partition: i32, epoch: i64) -> bool {
        self.partitions.get(&partition).is_some_and(|one| one.owned.epoch == epoch)
    }

    /// Begins with `records`, in the order in which they were read: a batch for each lane that has any. `positions` are those of
    /// the consumer behind all of them. What is not ours, or was read before, is left out.
    pub(crate) fn begin(&mut self, records: Vec<Record>, positions: &BTreeMap<i32, i64>) -> Vec<Batch> {
        let mut read: BTreeMap<i32, Vec<Record>> = BTreeMap::new();
        for record in records {
            if self.partitions.get(&record.partition).is_some_and(|one| record.offset >= one.position) {
                read.entry(record.partition).or_default().push(record);
            }
        }
        let mut batches: BTreeMap<usize, Batch> = BTreeMap::new();
        for (number, partition) in &mut self.partitions {
            let records = read.remove(number).unwrap_or_default();
            let behind = records.last().map_or(partition.position, |last| last.offset + 1);
            let end = positions.get(number).copied().unwrap_or(behind).max(behind);
            if end == partition.position {
                continue;
            }
            let next = self.batches + 1;
            let batch = batches.entry(partition.lane).or_insert_with(|| {
                self.batches = next;
                let (records, spans) = (Vec::new(), Vec::new());
                Batch { id: BatchId(next), lane: partition.lane, records, spans }
            });
            batch.spans.push(Span { owned: partition.owned, from: partition.position, end });
            batch.records.extend(records);
            partition.begun.push_back(Begun { batch: batch.id, end, finished: false });
            partition.position = end;
        }
        self.under_way.extend(batches.values().map(|batch| batch.id));
        batches.into_values().collect()
    }

    /// A batch is over. If it was given up, what it read is never committed; partitions that were taken away meanwhile
    /// have forgotten it.
    pub fn end(&mut self, batch: BatchId, safe: bool) {
        self.under_way.remove(&batch);
        if !safe {
            return;
        }
        for partition in self.partitions.values_mut() {
            if let Some(begun) = partition.begun.iter_mut().find(|begun| begun.batch == batch) {
                begun.finished = true;
            }
            while partition.begun.front().is_some_and(|begun| begun.finished) {
                partition.to_commit = partition.begun.pop_front().map(|begun| begun.end);
            }
        }
    }

    /// How many batches are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether anything of these partitions is under way.
    pub(crate) fn is_busy(&self, partitions: &[i32]) -> bool {
        let busy = |partition: &i32| self.partitions.get(partition).is_some_and(|one| !one.begun.is_empty());
        partitions.iter().any(busy)
    }

    /// Partitions and offsets to commit, each once.
    pub(crate) fn take_commits(&mut self) -> Vec<(i32, i64)> {
        let take = |(number, partition): (&i32, &mut Partition)| Some((*number, partition.to_commit.take()?));
        self.partitions.iter_mut().filter_map(take).collect()
    }

    /// These partitions belong to somebody else.
    pub(crate) fn forget(&mut self, partitions: &[i32]) {
        self.partitions.retain(|number, _| !partitions.contains(number));
        self.untaken.retain(|number, _| !partitions.contains(number));
    }

    /// All partitions belong to somebody else.
    pub(crate) fn forget_all(&mut self) {
        self.partitions.clear();
        self.untaken.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use super::{Batch, Owned, Progress};
    use crate::record::{Content, PlainRecord, Record};

    fn owned(partition: i32, epoch: i64, next: i64) -> Owned {
        Owned { partition, epoch, incarnation: 1, next }
    }

    /// Partitions 0 and 1 from their starts, in two lanes.
    fn two_partitions() -> Progress {
        let mut progress = Progress::default();
        progress.assign(owned(0, 1, 0), Some(0), 2);
        progress.assign(owned(1, 1, 0), Some(0), 2);
        progress
    }

    fn record(partition: i32, offset: i64) -> Record {
        let content = Content::Plain(PlainRecord::default());
        Record { topic: "t".into(), partition, offset, published_at: None, trace: None, content, bytes: 0 }
    }

    /// Begins with the last record below each offset.
    fn begin(progress: &mut Progress, ends: &[(i32, i64)]) -> Vec<Batch> {
        let records = ends.iter().map(|(partition, end)| record(*partition, end - 1)).collect();
        progress.begin(records, &BTreeMap::new())
    }

    #[test]
    fn only_what_lies_below_everything_unfinished_is_committed() {
        let mut progress = two_partitions();
        let first = begin(&mut progress, &[(0, 100), (1, 7)]);
        assert_eq!(first.iter().map(|batch| batch.lane).collect::<Vec<_>>(), [0, 1]);
        let second = begin(&mut progress, &[(0, 181)]);
        let third = begin(&mut progress, &[(0, 221)]);
        progress.end(third[0].id, true);
        assert_eq!(progress.take_commits(), []);
        progress.end(first[0].id, true);
        progress.end(first[1].id, true);
        assert_eq!(progress.take_commits(), [(0, 100), (1, 7)]);
        assert_eq!(progress.take_commits(), []);
        progress.end(second[0].id, true);
        assert_eq!(progress.take_commits(), [(0, 221)]);
        assert_eq!(progress.under_way(), 0);
    }

    #[test]
    fn what_was_given_up_is_never_passed_over() {
        let mut progress = two_partitions();
        let given_up = begin(&mut progress, &[(0, 10)]);
        let later = begin(&mut progress, &[(0, 20)]);
        progress.end(given_up[0].id, false);
        progress.end(later[0].id, true);
        assert_eq!(progress.take_commits(), []);
        assert!(progress.is_busy(&[0]));
    }

    #[test]
    fn a_partition_that_was_taken_away_commits_nothing_more() {
        let mut progress = two_partitions();
        let before = begin(&mut progress, &[(0, 10), (1, 10)]);
        progress.forget(&[0]);
        // It comes back, from the offset that was committed.
        progress.assign(owned(0, 3, 0), Some(0), 2);
        let after = begin(&mut progress, &[(0, 10)]);
        before.iter().for_each(|batch| progress.end(batch.id, true));
        assert_eq!(progress.take_commits(), [(1, 10)]);
        progress.end(after[0].id, true);
        assert_eq!(progress.take_commits(), [(0, 10)]);
    }

    #[test]
    fn a_partition_that_another_took_is_taken_again_and_once() {
        let mut progress = two_partitions();
        let now = Instant::now();
        progress.lose(0, 1, now);
        assert_eq!(progress.to_take(now), [0]);
        assert!(begin(&mut progress, &[(0, 10)]).is_empty(), "it is not ours");
        progress.assign(owned(0, 3, 5), None, 2);
        assert_eq!(progress.take_commits(), [(0, 5)], "the group learns where reading begins");
        // A batch of before learns late that it is fenced.
        progress.lose(0, 1, now);
        assert!(progress.to_take(now).is_empty());
    }

    #[test]
    fn a_batch_goes_on_from_the_one_before_and_passes_control_records() {
        let mut progress = two_partitions();
        progress.assign(owned(0, 2, 5), Some(5), 2);
        // What was fetched from before the place that it was taken at.
        assert!(begin(&mut progress, &[(0, 5)]).is_empty());
        let records = vec![record(0, 5), record(0, 6)];
        let first = progress.begin(records, &BTreeMap::from([(0, 8)]));
        assert_eq!((first[0].spans[0].from, first[0].spans[0].end, first[0].records.len()), (5, 8, 2));
        let second = progress.begin(Vec::new(), &BTreeMap::from([(0, 9)]));
        assert_eq!((second[0].spans[0].from, second[0].spans[0].end, second[0].records.len()), (8, 9, 0));
        assert!(progress.begin(Vec::new(), &BTreeMap::from([(0, 9)])).is_empty());
    }
}
