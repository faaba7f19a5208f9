//! Which topics there are, and where they end.

use rdkafka::consumer::Consumer as _;
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaRespErr;

use crate::consumer::observer;
use crate::lag::{LIMIT, MetadataError, aside, partitions_of};
use crate::look::GROUP;
use crate::settings::KafkaSettings;

/// The end of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionEnd {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset that its next record gets.
    pub end: i64,
}

/// The names of the topics that Kafka shows us.
///
/// # Errors
/// [`MetadataError`].
pub async fn topics(settings: KafkaSettings) -> Result<Vec<String>, MetadataError> {
    aside(move || {
        let metadata = observer(&settings, None)?.fetch_metadata(None, LIMIT)?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    })
    .await
}

/// Those of `wanted` that Kafka does not show us.
///
/// # Errors
/// [`MetadataError`].
pub async fn missing_topics(
    settings: KafkaSettings,
    wanted: Vec<String>,
) -> Result<Vec<String>, MetadataError> {
    let there = topics(settings).await?;
    Ok(wanted.into_iter().filter(|topic| !there.contains(topic)).collect())
}

/// Those of `topics` that Kafka says it does not have. One that it may not show us is none of them.
///
/// # Errors
/// [`MetadataError`].
pub async fn gone_topics(settings: KafkaSettings, topics: Vec<String>) -> Result<Vec<String>, MetadataError> {
    if topics.is_empty() {
        return Ok(topics);
    }
    aside(move || {
        let consumer = observer(&settings, None)?;
        let is_unknown = |topic: &MetadataTopic| {
            topic.error() == Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        };
        let mut gone = Vec::new();
        for topic in topics {
            if consumer.fetch_metadata(Some(&topic), LIMIT)?.topics().iter().any(is_unknown) {
                gone.push(topic);
            }
        }
        Ok(gone)
    })
    .await
}

/// Where each partition of `topics` ends.
///
/// # Errors
/// [`MetadataError`].
pub async fn ends(settings: KafkaSettings, topics: Vec<String>) -> Result<Vec<PartitionEnd>, MetadataError> {
    aside(move || {
        let consumer = observer(&settings, Some(GROUP))?;
        let mut ends = Vec::new();
        for topic in topics {
            for partition in partitions_of(&consumer, &topic)? {
                let (_, end) = consumer.fetch_watermarks(&topic, partition, LIMIT)?;
                ends.push(PartitionEnd { topic: topic.clone(), partition, end });
            }
        }
        Ok(ends)
    })
    .await
}
