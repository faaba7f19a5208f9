//! How far each partition has come: what may be committed, and what is still under way.
//!
//! ```text
//! begun:     [ 0..=99 ] [ 100..=180 ] [ 181..=220 ]      batches of a partition, in the order of their offsets
//! finished:      yes         no            yes
//! position:  100                                        everything below it is safe
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A batch's part in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) partition: i32,
    /// The offset behind the last record.
    pub(crate) end: i64,
}

/// A batch that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(u64);

/// What this process has read of its partitions.
#[derive(Debug, Default)]
pub struct Progress {
    owned: BTreeSet<i32>,
    partitions: BTreeMap<i32, Partition>,
    batches: u64,
    under_way: usize,
}

#[derive(Debug, Default)]
struct Partition {
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
    /// These partitions are ours.
    pub(crate) fn assign(&mut self, partitions: &[i32]) {
        self.owned.extend(partitions);
    }

    /// Whether a partition is ours. One may be taken away between the reading of a record and the begin of its batch.
    pub(crate) fn owns(&self, partition: i32) -> bool {
        self.owned.contains(&partition)
    }

    /// A batch is under way.
    pub(crate) fn begin(&mut self, spans: &[Span]) -> BatchId {
        self.batches += 1;
        self.under_way += 1;
        let batch = BatchId(self.batches);
        for span in spans {
            let begun = Begun { batch, end: span.end, finished: false };
            self.partitions.entry(span.partition).or_default().begun.push_back(begun);
        }
        batch
    }

    /// A batch is over. If it was given up, what it read is never committed; partitions that were taken away meanwhile
    /// have forgotten it.
    pub fn end(&mut self, batch: BatchId, safe: bool) {
        self.under_way -= 1;
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
        self.under_way
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
        self.owned.retain(|number| !partitions.contains(number));
        self.partitions.retain(|number, _| !partitions.contains(number));
    }

    /// All partitions belong to somebody else.
    pub(crate) fn forget_all(&mut self) {
        self.owned.clear();
        self.partitions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Progress, Span};

    const fn span(partition: i32, end: i64) -> Span {
        Span { partition, end }
    }

    #[test]
    fn only_what_lies_below_everything_unfinished_is_committed() {
        let mut progress = Progress::default();
        let first = progress.begin(&[span(0, 100), span(1, 7)]);
        let second = progress.begin(&[span(0, 181)]);
        let third = progress.begin(&[span(0, 221)]);
        progress.end(third, true);
        assert_eq!(progress.take_commits(), []);
        progress.end(first, true);
        assert_eq!(progress.take_commits(), [(0, 100), (1, 7)]);
        assert_eq!(progress.take_commits(), []);
        progress.end(second, true);
        assert_eq!(progress.take_commits(), [(0, 221)]);
        assert_eq!(progress.under_way(), 0);
    }

    #[test]
    fn what_was_given_up_is_never_passed_over() {
        let mut progress = Progress::default();
        let given_up = progress.begin(&[span(0, 10)]);
        let later = progress.begin(&[span(0, 20)]);
        progress.end(given_up, false);
        progress.end(later, true);
        assert_eq!(progress.take_commits(), []);
        assert!(progress.is_busy(&[0]));
    }

    #[test]
    fn a_partition_that_was_taken_away_commits_nothing_more() {
        let mut progress = Progress::default();
        let before = progress.begin(&[span(0, 10), span(1, 10)]);
        progress.forget(&[0]);
        // It comes back, from the offset that was committed.
        let after = progress.begin(&[span(0, 10)]);
        progress.end(before, true);
        assert_eq!(progress.take_commits(), [(1, 10)]);
        progress.end(after, true);
        assert_eq!(progress.take_commits(), [(0, 10)]);
    }
}
