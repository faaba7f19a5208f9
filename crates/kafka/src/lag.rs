//! What Kafka's own tables say: which topics there are, and how far a group has read.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

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
        let metadata = consumer(&settings, None)?.fetch_metadata(None, LIMIT)?;
        let is_there =
            |wanted: &String| metadata.topics().iter().any(|topic| topic.name() == wanted.as_str());
        Ok(topics.into_iter().filter(|wanted| !is_there(wanted)).collect())
    })
    .await
}

/// How many records of its topic each group has not committed yet, in the order of `groups`.
///
/// # Errors
/// [`MetadataError`].
pub async fn lags(settings: KafkaSettings, groups: Vec<TopicGroup>) -> Result<Vec<i64>, MetadataError> {
    aside(move || groups.iter().map(|group| lag(&settings, group)).collect()).await
}

fn lag(settings: &KafkaSettings, TopicGroup { topic, group }: &TopicGroup) -> Result<i64, KafkaError> {
    let consumer = consumer(settings, Some(group))?;
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT)?;
    let mut wanted = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        wanted.add_partition(topic, partition.id());
    }
    if wanted.count() == 0 {
        return Ok(0);
    }
    let mut total = 0;
    for committed in consumer.committed_offsets(wanted, LIMIT)?.elements() {
        let (low, high) = consumer.fetch_watermarks(topic, committed.partition(), LIMIT)?;
        // A group that never committed reads from the beginning.
        let next = if let Offset::Offset(next) = committed.offset() { next.max(low) } else { low };
        total += (high - next).max(0);
    }
    Ok(total)
}

fn consumer(settings: &KafkaSettings, group: Option<&str>) -> Result<BaseConsumer<Logged>, KafkaError> {
    let mut config = settings.client_config();
    if let Some(group) = group {
        config.set("group.id", group).set("enable.auto.commit", "false");
    }
    config.set("allow.auto.create.topics", "false").create_with_context(Logged)
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
