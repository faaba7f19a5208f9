//! The Kafka way, as the tick sees it: what the workers have still to write.

use std::fmt;
use std::time::{Duration, Instant};

use kafka::{KafkaSettings, Logged};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use runtime::Env;

use crate::worker::DEFAULT_GROUP;

/// For the workers to write what was accepted before the tick; well within the time of the tick's delivery.
const DEFAULT_WAIT: Duration = Duration::from_secs(20);
/// For one answer of Kafka.
const LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at what is committed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A topic, and the group of workers that reads it.
#[derive(Clone)]
pub struct Backlog {
    topic: String,
    config: ClientConfig,
    wait: Duration,
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration holds a password.
        f.debug_struct("Backlog").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Backlog {
    /// That of `KAFKA_TOPIC` and `KAFKA_GROUP`; `None` where there is no such topic, for then no worker reads.
    ///
    /// `HEARTBEAT_WAIT_MS` bounds [`Backlog::is_written`]; 20 s.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let topic = env.text("KAFKA_TOPIC")?;
        let group = env.text_or("KAFKA_GROUP", DEFAULT_GROUP);
        let wait = env.millis_or("HEARTBEAT_WAIT_MS", DEFAULT_WAIT);
        let mut config = KafkaSettings::from_env(env)?.client_config();
        // It looks at the group, and never joins it.
        config.set("group.id", group).set("enable.auto.commit", "false");
        Some(Self { topic, config, wait })
    }

    /// Whether all that the topic holds now is written: waits for the workers, at most for the bound.
    pub(crate) async fn is_written(&self) -> bool {
        let own = self.clone();
        match tokio::task::spawn_blocking(move || own.look()).await {
            Ok(Ok(is_written)) => is_written,
            Ok(Err(error)) => {
                tracing::warn!(%error, topic = self.topic, "Kafka does not say what is still to be written");
                false
            }
            // The process is ending.
            Err(_) => false,
        }
    }

    fn look(&self) -> KafkaResult<bool> {
        let begun = Instant::now();
        let consumer: BaseConsumer<Logged> = self.config.create_with_context(Logged)?;
        let ends = self.ends(&consumer)?;
        loop {
            if self.has_passed(&consumer, &ends)? {
                return Ok(true);
            }
            if begun.elapsed() >= self.wait {
                return Ok(false);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Each partition that holds records, and the offset behind its last one.
    fn ends(&self, consumer: &BaseConsumer<Logged>) -> KafkaResult<Vec<(i32, i64)>> {
        let metadata = consumer.fetch_metadata(Some(&self.topic), LIMIT)?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let mut ends = Vec::new();
        for partition in partitions {
            let (low, high) = consumer.fetch_watermarks(&self.topic, partition.id(), LIMIT)?;
            if low < high {
                ends.push((partition.id(), high));
            }
        }
        Ok(ends)
    }

    fn has_passed(&self, consumer: &BaseConsumer<Logged>, ends: &[(i32, i64)]) -> KafkaResult<bool> {
        if ends.is_empty() {
            return Ok(true);
        }
        let mut wanted = TopicPartitionList::with_capacity(ends.len());
        for (partition, _) in ends {
            wanted.add_partition(&self.topic, *partition);
        }
        let committed = consumer.committed_offsets(wanted, LIMIT)?;
        Ok(ends.iter().all(|(partition, end)| {
            let offset = committed.find_partition(&self.topic, *partition).map(|found| found.offset());
            matches!(offset, Some(Offset::Offset(offset)) if offset >= *end)
        }))
    }
}
