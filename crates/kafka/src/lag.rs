//! What Kafka's own tables say: which topics there are, and how far a group has read.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use crate::consumer::observer;
use crate::log::Logged;
use crate::settings::KafkaSettings;

/// For one answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A consumer group and the topic that it reads: `TOPIC:GROUP` on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicGroup {
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
}

/// Why Kafka did not answer.
#[derive(Debug, Error)]
pub enum MetadataError {
    /// It is away, or refuses.
    #[error("Kafka cannot be asked")]
    Kafka(#[source] KafkaError),
    /// The process is ending.
    #[error("Kafka was not asked to the end")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl std::str::FromStr for TopicGroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((topic, group)) if !topic.is_empty() && !group.is_empty() => {
                Ok(Self { topic: topic.to_owned(), group: group.to_owned() })
            }
            _ => Err("write it as TOPIC:GROUP".to_owned()),
        }
    }
}

impl std::fmt::Display for TopicGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.topic, self.group)
    }
}

/// Those of `topics` that Kafka does not have.
///
/// # Errors
/// [`MetadataError`].
pub async fn missing_topics(
    settings: KafkaSettings,
    topics: Vec<String>,
) -> Result<Vec<String>, MetadataError> {
    aside(move || {
        let metadata = observer(&settings, None)?.fetch_metadata(None, LIMIT)?;
        let is_there =
            |wanted: &String| metadata.topics().iter().any(|topic| topic.name() == wanted.as_str());
        Ok(topics.into_iter().filter(|wanted| !is_there(wanted)).collect())
    })
    .await
}

/// How far a group is in one partition of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionPosition {
    /// The partition.
    pub partition: i32,
    /// The offset of the first record that the group has not committed.
    pub next: i64,
    /// The offset that the partition's next record gets; looked at after `next`.
    pub end: i64,
}

/// How far each group is in each partition of its topic; one after the other, in the order of `groups`.
///
/// # Errors
/// [`MetadataError`].
pub async fn positions(
    settings: KafkaSettings,
    groups: Vec<TopicGroup>,
) -> Result<Vec<Vec<PartitionPosition>>, MetadataError> {
    aside(move || groups.iter().map(|group| positions_of(&settings, group)).collect()).await
}

/// How many records of its topic each group has not committed yet, in the order of `groups`.
///
/// # Errors
/// [`MetadataError`].
pub async fn lags(settings: KafkaSettings, groups: Vec<TopicGroup>) -> Result<Vec<i64>, MetadataError> {
    let positions = positions(settings, groups).await?;
    let lag = |one: &PartitionPosition| (one.end - one.next).max(0);
    Ok(positions.iter().map(|partitions| partitions.iter().map(lag).sum()).collect())
}

/// The partitions of `topic`.
///
/// # Errors
/// [`MetadataError`].
pub async fn partitions(settings: KafkaSettings, topic: String) -> Result<Vec<i32>, MetadataError> {
    aside(move || partitions_of(&observer(&settings, None)?, &topic)).await
}

fn positions_of(
    settings: &KafkaSettings,
    TopicGroup { topic, group }: &TopicGroup,
) -> Result<Vec<PartitionPosition>, KafkaError> {
    let consumer = observer(settings, Some(group))?;
    let mut wanted = TopicPartitionList::new();
    for partition in partitions_of(&consumer, topic)? {
        wanted.add_partition(topic, partition);
    }
    if wanted.count() == 0 {
        return Ok(Vec::new());
    }
    let committed = consumer.committed_offsets(wanted, LIMIT)?;
    let position = |committed: TopicPartitionListElem<'_>| {
        let partition = committed.partition();
        let (low, end) = consumer.fetch_watermarks(topic, partition, LIMIT)?;
        // A group that never committed reads from the beginning.
        let next = if let Offset::Offset(next) = committed.offset() { next.max(low) } else { low };
        Ok(PartitionPosition { partition, next, end })
    };
    committed.elements().into_iter().map(position).collect()
}

fn partitions_of(consumer: &BaseConsumer<Logged>, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT)?;
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    Ok(partitions.map(MetadataPartition::id).collect())
}

/// librdkafka's questions block.
async fn aside<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, MetadataError> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(MetadataError::Kafka),
        Err(error) => Err(MetadataError::Interrupted(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::TopicGroup;

    #[test]
    fn a_topic_group_is_a_topic_and_a_group() {
        let parsed: TopicGroup = "plant.payloads:plant.transform".parse().unwrap();
        assert_eq!((parsed.topic.as_str(), parsed.group.as_str()), ("plant.payloads", "plant.transform"));
        assert_eq!(parsed.to_string(), "plant.payloads:plant.transform");
        assert!("plant".parse::<TopicGroup>().is_err());
    }
}
