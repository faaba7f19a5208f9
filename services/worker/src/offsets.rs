//! Takes partitions, and remembers what their last worker left undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka::{KafkaSettings, Ledger, Look, MetadataError, Offered, Owned, RecordForm, TakeError};
use runtime::Clock;
use stage::telemetry::TopicMetrics;
use store::topic_offsets::{self, Gap, GapKind, PartitionSpan, Taken};
use store::{Database, StoreError, Topic};
use tokio::runtime::Handle;

use crate::config::FeedConfig;

/// For the marks to be taken away at the end.
const UNMARK_WITHIN: Duration = Duration::from_secs(2);

/// How far each partition is, as the database has it.
#[derive(Debug)]
pub(crate) struct Offsets {
    topic: Topic,
    kafka: KafkaSettings,
    form: RecordForm,
    database: Database,
    clock: Clock,
    metrics: TopicMetrics,
    runtime: Handle,
    taken: Mutex<BTreeMap<i32, Taken>>,
    /// Partitions that were read as part of this incarnation of the topic, and are of a later one.
    made_anew: Mutex<BTreeSet<(i32, i32)>>,
}

/// Records that were begun with and not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspects {
    /// They lie below.
    pub(crate) below: i64,
    /// The first of them, and how often the process ended over it.
    pub(crate) first: (i64, i32),
}

impl Offsets {
    /// Must be called within a Tokio runtime.
    pub(crate) fn new(
        feed: &FeedConfig,
        database: Database,
        (clock, metrics): (Clock, TopicMetrics),
    ) -> Self {
        let FeedConfig { topic, reader, .. } = feed;
        let (topic, kafka, form) = (topic.clone(), reader.kafka.clone(), reader.form);
        let (runtime, taken, made_anew) = (Handle::current(), Mutex::default(), Mutex::default());
        Self { topic, kafka, form, database, clock, metrics, runtime, taken, made_anew }
    }

    /// The epoch with which a partition was taken last.
    pub(crate) fn epoch(&self, partition: i32) -> Option<i64> {
        self.taken().get(&partition).map(|taken| taken.epoch)
    }

    /// The epochs with which partitions were taken last.
    pub(crate) fn epochs(&self) -> BTreeMap<i32, i64> {
        self.taken().iter().map(|(partition, taken)| (*partition, taken.epoch)).collect()
    }

    /// Notes that the topic was made anew while the partition was read as it was taken with `epoch`: it is begun anew when it is taken
    /// next.
    pub(crate) fn note_made_anew(&self, partition: i32, epoch: i64) {
        let taken = self.taken().get(&partition).copied().filter(|taken| taken.epoch == epoch);
        self.made_anew().extend(taken.map(|taken| (partition, taken.incarnation)));
    }

    /// What the records at an offset of each partition are known by.
    pub(crate) async fn fingerprints(
        &self,
        places: BTreeMap<i32, i64>,
    ) -> Result<BTreeMap<i32, Option<i64>>, MetadataError> {
        kafka::fingerprints(self.kafka.clone(), (self.topic.name.to_string(), self.form), places).await
    }

    /// What a worker before left undone of this partition, as it was taken with this epoch.
    pub(crate) fn suspects(&self, partition: i32, epoch: i64) -> Option<Suspects> {
        let taken = *self.taken().get(&partition)?;
        let below = taken.begun.filter(|begun| taken.epoch == epoch && *begun > taken.next)?;
        // The batch that it was begun with was the first death.
        Some(Suspects { below, first: (taken.next, taken.deaths.saturating_add(1)) })
    }

    /// The process ends in order: what is under way is not what ends it.
    pub(crate) async fn unmark(&self) {
        let own: Vec<(i32, i64)> =
            self.taken().values().map(|taken| (taken.partition, taken.epoch)).collect();
        let unmark = async {
            let client = self.database.client().await?;
            Ok::<_, StoreError>(topic_offsets::unmark(&client, &self.topic, &own).await?)
        };
        match tokio::time::timeout(UNMARK_WITHIN, unmark).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "marks are left"),
            Err(_) => tracing::debug!("marks are left: the database does not answer"),
        }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<i32, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made_anew(&self) -> MutexGuard<'_, BTreeSet<(i32, i32)>> {
        self.made_anew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn raise_epochs(&self, partitions: &[i32]) -> Result<Vec<Taken>, StoreError> {
        let client = self.database.client().await?;
        Ok(topic_offsets::take(&client, &self.topic, partitions).await?)
    }

    /// Begins elsewhere than where the partition stood.
    async fn begin_at(&self, owned: Owned, gap: Option<GapKind>, stood: i64) -> Result<bool, StoreError> {
        let Owned { partition, epoch, incarnation, next } = owned;
        let span = PartitionSpan { partition, epoch, incarnation, from: next, end: next };
        let client = self.database.client().await?;
        let gap = gap.map(|kind| Gap { next: stood, kind, found_at: self.clock.now() });
        if let Some(Gap { next, kind, .. }) = gap {
            let (kind, goes_on_at) = (kind.as_str(), span.from);
            self.metrics.gap(partition);
            tracing::error!(
                partition,
                next,
                goes_on_at,
                kind,
                "other records are there than were to be read"
            );
        }
        Ok(topic_offsets::begin_at(&client, &self.topic, &span, gap).await?)
    }

    /// The partitions whose last record that was stored is another one now. Where Kafka does not say, none is known.
    async fn another(&self, taken: &[Taken], offered: &[Offered]) -> BTreeSet<i32> {
        let last = |taken: &Taken| {
            let last = taken.last?;
            let offered = offered.iter().find(|offered| offered.partition == taken.partition)?;
            (offered.first..offered.end).contains(&last.offset).then_some((taken.partition, last))
        };
        let last: BTreeMap<_, _> = taken.iter().filter_map(last).collect();
        let places = last.iter().map(|(partition, last)| (*partition, last.offset)).collect();
        match self.fingerprints(places).await {
            Ok(found) => {
                let is_another = |(partition, hash): &(i32, Option<i64>)| {
                    hash.is_some_and(|hash| last[partition].hash != hash)
                };
                found.into_iter().filter(is_another).map(|(partition, _)| partition).collect()
            }
            Err(error) => {
                tracing::warn!(%error, "it is not known whether the topic is the one of before");
                BTreeSet::new()
            }
        }
    }
}

impl Ledger for Offsets {
    fn take(&self, partitions: &[i32], look: Look<'_>) -> Result<Vec<Owned>, TakeError> {
        let taken = self.runtime.block_on(self.raise_epochs(partitions))?;
        let offered = look()?;
        let another = self.runtime.block_on(self.another(&taken, &offered));
        let mut owned = Vec::with_capacity(taken.len());
        for mut taken in taken {
            let Some(offered) = offered.iter().find(|offered| offered.partition == taken.partition) else {
                continue;
            };
            let is_another = another.contains(&taken.partition)
                || self.made_anew().contains(&(taken.partition, taken.incarnation));
            let (begin, gap) = beginning(&taken, offered, is_another);
            if (begin.incarnation, begin.next) != (taken.incarnation, taken.next) {
                if !self.runtime.block_on(self.begin_at(begin, gap, taken.next))? {
                    continue;
                }
                (taken.incarnation, taken.next) = (begin.incarnation, begin.next);
                (taken.begun, taken.deaths, taken.last) = (None, 0, None);
            }
            self.made_anew().retain(|(partition, _)| *partition != taken.partition);
            self.taken().insert(taken.partition, taken);
            owned.push(begin);
        }
        Ok(owned)
    }
}

/// Where a partition is read from, and what is to be told of it. `is_another` is whether the last record that was stored of it is
/// another one now.
fn beginning(taken: &Taken, offered: &Offered, is_another: bool) -> (Owned, Option<GapKind>) {
    let Taken { partition, epoch, incarnation, next, .. } = *taken;
    let Offered { first, end, committed, since, .. } = *offered;
    let (incarnation, next, gap) = match incarnation {
        // The group may have read it for another program, or for a release before: it had its place in the group's offset alone.
        0 => (1, next.max(committed.or(since).unwrap_or_default()).clamp(first, end.max(first)), None),
        _ if is_another || next > end => (incarnation.saturating_add(1), first, Some(GapKind::MadeAnew)),
        _ if next < first => (incarnation, first, Some(GapKind::Expired)),
        _ => (incarnation, next, None),
    };
    (Owned { partition, epoch, incarnation, next }, gap)
}

#[cfg(test)]
mod tests {
    use kafka::Offered;
    use store::topic_offsets::Taken;

    use super::{GapKind, beginning};

    fn begins(incarnation: i32, next: i64, (first, end): (i64, i64), committed: Option<i64>) -> (i32, i64) {
        let taken = Taken { partition: 0, epoch: 7, incarnation, next, begun: None, deaths: 0, last: None };
        let (begin, gap) =
            beginning(&taken, &Offered { partition: 0, first, end, committed, since: None }, false);
        assert_eq!((begin.epoch, gap), (7, None));
        (begin.incarnation, begin.next)
    }

    #[test]
    fn a_partition_goes_on_where_its_rows_end_whatever_the_group_has_committed() {
        assert_eq!(begins(1, 40, (0, 100), Some(30)), (1, 40));
        assert_eq!(begins(1, 40, (0, 100), Some(70)), (1, 40));
        assert_eq!(begins(1, 40, (0, 40), None), (1, 40));
    }

    #[test]
    fn what_no_worker_of_this_kind_has_read_begins_where_the_group_is() {
        assert_eq!(begins(0, -1, (0, 100), None), (1, 0));
        assert_eq!(begins(0, -1, (20, 100), None), (1, 20));
        assert_eq!(begins(0, -1, (20, 100), Some(30)), (1, 30));
        assert_eq!(begins(0, 25, (20, 100), Some(30)), (1, 30), "noted by an earlier release");
        assert_eq!(begins(0, -1, (0, 10), Some(30)), (1, 10));
    }

    #[test]
    fn a_topic_is_read_since_a_time_where_its_group_has_not_read_it() {
        let begins = |committed| {
            let taken = Taken {
                partition: 0,
                epoch: 7,
                incarnation: 0,
                next: -1,
                begun: None,
                deaths: 0,
                last: None,
            };
            let offered = Offered { partition: 0, first: 10, end: 100, committed, since: Some(60) };
            beginning(&taken, &offered, false).0.next
        };
        assert_eq!((begins(None), begins(Some(30))), (60, 30));
    }

    #[test]
    fn a_topic_that_ends_below_was_made_anew_and_one_that_begins_above_has_a_gap() {
        let found = |(first, end), is_another| {
            let taken = Taken {
                partition: 0,
                epoch: 7,
                incarnation: 1,
                next: 40,
                begun: None,
                deaths: 0,
                last: None,
            };
            let offered = Offered { partition: 0, first, end, committed: Some(40), since: None };
            let (begin, gap) = beginning(&taken, &offered, is_another);
            (begin.incarnation, begin.next, gap)
        };
        assert_eq!(found((0, 10), false), (2, 0, Some(GapKind::MadeAnew)));
        assert_eq!(found((0, 100), true), (2, 0, Some(GapKind::MadeAnew)));
        assert_eq!(found((60, 100), false), (1, 60, Some(GapKind::Expired)));
        assert_eq!(found((40, 40), false), (1, 40, None));
    }
}
