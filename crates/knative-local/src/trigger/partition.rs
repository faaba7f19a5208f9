//! How far one consumer is in one partition.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::record::Record;

/// How far a producer's retry can throw records out of order: `max.in.flight.requests.per.connection`.
const REORDER_WITHIN: usize = 5;

/// Read records, those under way, and those done beyond the first that is not.
pub(super) struct Partition {
    pub(super) number: u16,
    next_read: u64,
    waiting: VecDeque<(u64, Arc<Record>)>,
    under_way: BTreeSet<u64>,
    /// Everything below is done.
    done: u64,
    done_beyond: BTreeSet<u64>,
}

impl Partition {
    pub(super) fn new(number: u16, position: u64) -> Self {
        Self {
            number,
            next_read: position,
            waiting: VecDeque::new(),
            under_way: BTreeSet::new(),
            done: position,
            done_beyond: BTreeSet::new(),
        }
    }

    pub(super) fn next_read(&self) -> u64 {
        self.next_read
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The position to commit.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Takes what was read, out of order if that is wanted.
    pub(super) fn fill(&mut self, mut records: Vec<(u64, Arc<Record>)>, reorder: bool) {
        if let Some((last, _)) = records.last() {
            self.next_read = last + 1;
        }
        if reorder {
            for chunk in records.chunks_mut(REORDER_WITHIN) {
                // Any fixed permutation will do, as long as not every chunk has the same.
                let turn = chunk.first().map_or(0, |(offset, _)| offset / 5 % chunk.len() as u64);
                chunk.rotate_left(turn as usize);
                chunk.reverse();
            }
        }
        self.waiting.extend(records);
    }

    pub(super) fn pop(&mut self) -> Option<(u64, Arc<Record>)> {
        self.waiting.pop_front()
    }

    pub(super) fn start(&mut self, offset: u64) {
        self.under_way.insert(offset);
    }

    /// A record is done with.
    pub(super) fn finish(&mut self, offset: u64) {
        self.under_way.remove(&offset);
        self.skip(offset);
    }

    /// A record is done with that was never under way.
    pub(super) fn skip(&mut self, offset: u64) {
        self.done_beyond.insert(offset);
        while self.done_beyond.remove(&self.done) {
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Partition;

    #[test]
    fn only_a_contiguous_range_is_committed() {
        let mut partition = Partition::new(0, 10);
        for offset in 10..14 {
            partition.start(offset);
        }
        partition.finish(11);
        partition.finish(12);
        assert_eq!(partition.done(), 10);
        partition.finish(10);
        assert_eq!(partition.done(), 13);
        assert_eq!(partition.under_way(), 1);
    }
}
