//! Notes in `topic_offset` when every record that a partition held at an instant is stored, also where nothing comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kafka::{KafkaSettings, PartitionPosition, Shared, TopicGroup};
use runtime::Clock;
use stage::telemetry::TopicMetrics;
use store::{Client, Database, StoreError, Topic, topic_offsets};

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

impl CaughtUp {
    /// Looks until the end is wished for.
    pub(crate) async fn watch(self, shared: Arc<Shared>) {
        let mut noted = Noted::new();
        loop {
            if let Err(error) = self.look(&mut noted, &shared).await {
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
        noted: &mut Noted,
        shared: &Shared,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // Before the ends are asked for: what was published until now lies below them.
        let now = self.clock.now();
        let positions = kafka::positions(self.kafka.clone(), vec![self.group.clone()]).await?;
        let positions = positions.first().map_or(&[][..], Vec::as_slice);
        for PartitionPosition { partition, next, end } in positions {
            if let Some(epoch) = self.offsets.epoch(*partition)
                && shared.is_owned(*partition, epoch)
            {
                self.metrics.stands(*partition, (end - next).max(0), epoch);
            }
        }
        let passed = passed(noted, positions, now);
        let client = self.database.client().await?;
        self.let_go(&client, shared).await?;
        for (at, partitions) in passed {
            let written = topic_offsets::caught_up(&client, &self.topic, &partitions, at).await;
            written.map_err(StoreError::from)?;
        }
        Ok(())
    }

    /// Lets go of partitions that were taken from us, or sought elsewhere, and in which nothing is written that would tell.
    async fn let_go(&self, client: &Client, shared: &Shared) -> Result<(), StoreError> {
        let owned = self.offsets.epochs();
        let partitions: Vec<i32> = owned.keys().copied().collect();
        for (partition, epoch, _) in topic_offsets::standing(client, &self.topic, &partitions).await? {
            let ours = owned.get(&partition).copied().unwrap_or(epoch);
            if epoch > ours {
                shared.change(|progress| progress.lose(partition, ours, Instant::now()));
            }
        }
        Ok(())
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
