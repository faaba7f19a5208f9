//! Looks now and then at a topic that is read. Notes in `topic_offset` when every record that a partition held at an instant is stored,
//! also where nothing comes; has partitions that others took be let go of, and those of a topic that was made anew begun anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kafka::{KafkaSettings, PartitionPosition, Shared, TopicGroup};
use runtime::Clock;
use stage::telemetry::TopicMetrics;
use store::topic_offsets::{self, Standing};
use store::{Database, StoreError, Topic};

use crate::known_records::{KnownRecords, Seen};
use crate::offsets::Offsets;

/// Between two looks; well below the time between two ticks.
const EVERY: Duration = Duration::from_secs(5);

/// What is looked at, and where it is noted.
#[derive(Debug)]
pub(crate) struct CaughtUp {
    pub(crate) kafka: KafkaSettings,
    pub(crate) topic: Topic,
    pub(crate) group: TopicGroup,
    pub(crate) database: Database,
    pub(crate) clock: Clock,
    pub(crate) offsets: Arc<Offsets>,
    pub(crate) metrics: TopicMetrics,
}

/// Where a partition ended at an instant.
type Noted = BTreeMap<i32, (Timestamp, i64)>;

/// What looks before have found.
#[derive(Debug, Default)]
struct Before {
    noted: Noted,
    known: KnownRecords,
}

impl CaughtUp {
    /// Looks until the end is wished for.
    pub(crate) async fn watch(self, shared: Arc<Shared>) {
        let mut before = Before::default();
        loop {
            if let Err(error) = self.look(&mut before, &shared).await {
                let error: &dyn std::error::Error = &*error;
                tracing::warn!(
                    error,
                    topic = self.group.topic,
                    "it is not noted how far the topic is stored"
                );
            }
            if !shared.pause(EVERY).await {
                return;
            }
        }
    }

    async fn look(
        &self,
        before: &mut Before,
        shared: &Shared,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // Before the ends are asked for: what was published until now lies below them.
        let now = self.clock.now();
        let positions = kafka::positions(self.kafka.clone(), vec![self.group.clone()]).await?;
        let mut positions = positions.into_iter().next().unwrap_or_default();
        for position in &positions {
            if let Some(epoch) = self.offsets.epoch(position.partition)
                && shared.is_owned(position.partition, epoch)
            {
                self.metrics.stands(position.partition, position.lag(), epoch);
            }
        }
        let standing = self.standing().await?;
        self.let_go(&standing, shared);
        let made_anew = self.made_anew(&mut before.known, (&standing, &positions), shared).await;
        positions.retain(|position| !made_anew.contains_key(&position.partition));
        let client = self.database.client().await?;
        for (at, partitions) in passed(&mut before.noted, &positions, now) {
            let written = topic_offsets::caught_up(&client, &self.topic, &partitions, at).await;
            written.map_err(StoreError::from)?;
        }
        Ok(())
    }

    /// How far the partitions are that were ever taken.
    async fn standing(&self) -> Result<Vec<Standing>, StoreError> {
        let partitions: Vec<i32> = self.offsets.epochs().into_keys().collect();
        let client = self.database.client().await?;
        Ok(topic_offsets::standing(&client, &self.topic, &partitions).await?)
    }

    /// Lets go of partitions that were taken from us, or sought elsewhere, and in which nothing is written that would tell.
    fn let_go(&self, standing: &[Standing], shared: &Shared) {
        for Standing { partition, epoch, .. } in standing {
            if let Some(ours) = self.offsets.epoch(*partition).filter(|ours| epoch > ours) {
                shared.change(|progress| progress.lose(*partition, ours, Instant::now()));
            }
        }
    }

    /// The partitions, with their epochs, whose topic was made anew while they were read. They are taken again, and begun anew.
    async fn made_anew(
        &self,
        known: &mut KnownRecords,
        (standing, positions): (&[Standing], &[PartitionPosition]),
        shared: &Shared,
    ) -> BTreeMap<i32, i64> {
        let seen = |standing: &Standing| {
            let Standing { partition, epoch, last, .. } = *standing;
            let end = positions.iter().find(|position| position.partition == partition)?.end;
            shared.is_owned(partition, epoch).then_some(Seen { partition, epoch, end, last })
        };
        let seen: Vec<Seen> = standing.iter().filter_map(seen).collect();
        let found = self.offsets.fingerprints(known.places(&seen)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it is not known whether the topic is the one of before");
            BTreeMap::new()
        });
        let made_anew = known.compare(&seen, &found);
        for (partition, epoch) in &made_anew {
            self.offsets.note_made_anew(*partition, *epoch);
            shared.change(|progress| progress.lose(*partition, *epoch, Instant::now()));
        }
        made_anew
    }
}

/// The partitions whose noted end the group has committed, by the instant of the note; and notes the present ends.
fn passed(
    noted: &mut Noted,
    positions: &[PartitionPosition],
    now: Timestamp,
) -> BTreeMap<Timestamp, Vec<i32>> {
    let mut passed: BTreeMap<Timestamp, Vec<i32>> = BTreeMap::new();
    for PartitionPosition { partition, next, end } in positions {
        let (at, wanted) =
            if next >= end { (now, *end) } else { *noted.entry(*partition).or_insert((now, *end)) };
        if *next >= wanted {
            passed.entry(at).or_default().push(*partition);
            noted.insert(*partition, (now, *end));
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan as _};
    use kafka::PartitionPosition;

    use super::{Noted, passed};

    #[test]
    fn a_partition_that_is_never_empty_is_caught_up_with_at_earlier_instants() {
        let second = |second: i64| Timestamp::UNIX_EPOCH + second.seconds();
        let mut noted = Noted::new();
        let mut look = |at, next, end| {
            let busy = PartitionPosition { partition: 0, next, end };
            let idle = PartitionPosition { partition: 1, next: 4, end: 4 };
            passed(&mut noted, &[busy, idle], second(at))
        };
        assert_eq!(look(0, 5, 10), [(second(0), vec![1])].into());
        assert_eq!(look(5, 9, 20), [(second(5), vec![1])].into());
        assert_eq!(look(10, 12, 30), [(second(0), vec![0]), (second(10), vec![1])].into());
        assert_eq!(look(15, 30, 30), [(second(15), vec![0, 1])].into());
    }
}
