//! Records that a topic is known by while it is read: one of its name that was made anew has others in their places.

use std::collections::BTreeMap;

use store::topic_offsets::LastRecord;

/// Of each partition the record that was the last one stored, as its topic was known to be the one of before.
#[derive(Debug, Default)]
pub(crate) struct KnownRecords(BTreeMap<i32, Known>);

#[derive(Debug, Clone, Copy)]
struct Known {
    /// The epoch that the partition was taken with.
    epoch: i64,
    record: LastRecord,
    /// Where the partition ended then.
    end: i64,
}

/// A partition of ours at a look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) epoch: i64,
    /// Where it ends.
    pub(crate) end: i64,
    /// The last record that is stored of it.
    pub(crate) last: Option<LastRecord>,
}

impl KnownRecords {
    /// The places of the records that are to be looked at: in those of our partitions, which are all `seen`, that end elsewhere than
    /// before. What was taken anew is forgotten.
    pub(crate) fn places(&mut self, seen: &[Seen]) -> BTreeMap<i32, i64> {
        self.0.retain(|partition, known| {
            seen.iter().any(|seen| (seen.partition, seen.epoch) == (*partition, known.epoch))
        });
        let place = |seen: &Seen| {
            let Known { record, end, .. } = self.0.get(&seen.partition)?;
            // An end below it is found by the reader, for which there is nothing to read on with.
            (*end != seen.end && record.offset < seen.end).then_some((seen.partition, record.offset))
        };
        seen.iter().filter_map(place).collect()
    }

    /// The partitions in which another record was `found`, after they were seen so, in the place of the known one, with their epochs. Of
    /// those in which it was the same, or is gone, the last record is known from now on.
    pub(crate) fn compare(
        &mut self,
        seen: &[Seen],
        found: &BTreeMap<i32, Option<i64>>,
    ) -> BTreeMap<i32, i64> {
        let mut others = BTreeMap::new();
        for Seen { partition, epoch, end, last } in seen.iter().copied() {
            match (self.0.get(&partition), found.get(&partition)) {
                // There is nothing new, or no answer.
                (Some(_), None) => {}
                (Some(known), Some(Some(hash))) if known.record.hash != *hash => {
                    others.insert(partition, epoch);
                }
                _ => {
                    if let Some(record) = last {
                        self.0.insert(partition, Known { epoch, record, end });
                    }
                }
            }
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use store::topic_offsets::LastRecord;

    use super::{KnownRecords, Seen};

    fn seen(epoch: i64, end: i64, (offset, hash): (i64, i64)) -> [Seen; 1] {
        [Seen { partition: 0, epoch, end, last: Some(LastRecord { offset, hash }) }]
    }

    fn look(known: &mut KnownRecords, seen: &[Seen], found: &[(i32, Option<i64>)]) -> (Option<i64>, bool) {
        let place = known.places(seen).get(&0).copied();
        let others = known.compare(seen, &found.iter().copied().collect());
        (place, others == BTreeMap::from([(0, seen[0].epoch)]))
    }

    #[test]
    fn only_a_partition_that_ends_elsewhere_is_looked_at_where_its_known_record_is() {
        let mut known = KnownRecords::default();
        assert_eq!(look(&mut known, &seen(1, 10, (9, 90)), &[]), (None, false), "known from now on");
        assert_eq!(look(&mut known, &seen(1, 10, (9, 90)), &[]), (None, false), "nothing came");
        assert_eq!(look(&mut known, &seen(1, 20, (19, 190)), &[(0, Some(90))]), (Some(9), false));
        assert_eq!(look(&mut known, &seen(1, 30, (24, 240)), &[]), (Some(19), false), "no answer");
        assert_eq!(look(&mut known, &seen(1, 30, (29, 290)), &[(0, None)]), (Some(19), false), "it is gone");
        assert_eq!(look(&mut known, &seen(1, 40, (39, 390)), &[(0, Some(290))]), (Some(29), false));
        assert_eq!(look(&mut known, &seen(1, 5, (39, 390)), &[]), (None, false), "the reader finds it");
    }

    #[test]
    fn a_topic_with_another_record_in_the_place_is_another_until_the_partition_is_taken_again() {
        let mut known = KnownRecords::default();
        look(&mut known, &seen(1, 10, (9, 90)), &[]);
        // Some of its records are stored already.
        assert_eq!(look(&mut known, &seen(1, 200, (150, 1)), &[(0, Some(91))]), (Some(9), true));
        assert_eq!(look(&mut known, &seen(1, 200, (199, 2)), &[(0, Some(91))]), (Some(9), true));
        assert_eq!(look(&mut known, &seen(2, 200, (199, 3)), &[]), (None, false));
        assert_eq!(look(&mut known, &seen(2, 201, (200, 4)), &[(0, Some(3))]), (Some(199), false));
        assert!(known.places(&[]).is_empty());
        assert_eq!(look(&mut known, &seen(2, 300, (299, 5)), &[]), (None, false), "it was let go of between");
    }
}
