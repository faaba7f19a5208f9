//! What Kafka's own tables say: how far a group has read.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use crate::consumer::observer;
use crate::log::Logged;
use crate::look::GROUP;
use crate::settings::KafkaSettings;
use crate::topic_group::{PartitionPosition, TopicGroup};

/// For one answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

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

/// The partitions of `topic`.
///
/// # Errors
/// [`MetadataError`].
pub async fn partitions(settings: KafkaSettings, topic: String) -> Result<Vec<i32>, MetadataError> {
    aside(move || partitions_of(&observer(&settings, None)?, &topic)).await
}

/// The first record of each partition of `topic` that was published at `time` or later; the end where there is none.
///
/// # Errors
/// [`MetadataError`].
pub async fn places_since(
    settings: KafkaSettings,
    topic: String,
    time: Timestamp,
) -> Result<BTreeMap<i32, i64>, MetadataError> {
    aside(move || {
        let consumer = observer(&settings, Some(GROUP))?;
        let partitions = partitions_of(&consumer, &topic)?;
        let mut places = BTreeMap::new();
        // The ends first: what is published meanwhile is found behind them.
        for partition in &partitions {
            places.insert(*partition, consumer.fetch_watermarks(&topic, *partition, LIMIT)?.1);
        }
        places.extend(first_since(&consumer, (&topic, &partitions), time, LIMIT)?);
        Ok(places)
    })
    .await
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

pub(crate) fn partitions_of(consumer: &BaseConsumer<Logged>, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), LIMIT)?;
    let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
    Ok(partitions.map(MetadataPartition::id).collect())
}

/// The first record of each partition that was published at `time` or later, where there is one.
pub(crate) fn first_since<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    (topic, partitions): (&str, &[i32]),
    time: Timestamp,
    limit: Duration,
) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition_offset(topic, *partition, Offset::Offset(time.as_millisecond()))?;
    }
    Ok(offsets(&consumer.offsets_for_times(list, limit)?))
}

/// By partition, where there is one.
pub(crate) fn offsets(list: &TopicPartitionList) -> BTreeMap<i32, i64> {
    let offset = |one: TopicPartitionListElem<'_>| match one.offset() {
        Offset::Offset(offset) => Some((one.partition(), offset)),
        _ => None,
    };
    list.elements().into_iter().filter_map(offset).collect()
}

/// librdkafka's questions block.
pub(crate) async fn aside<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, MetadataError> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(MetadataError::Kafka),
        Err(error) => Err(MetadataError::Interrupted(error)),
    }
}
