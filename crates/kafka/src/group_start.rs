//! Where a consumer group begins to read.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, topic_partition_list::TopicPartitionListElem};

use crate::consumer::observer;
use crate::lag::{LIMIT, MetadataError, aside, partitions_of};
use crate::settings::KafkaSettings;
use crate::topic_group::TopicGroup;

/// Between two attempts: the brokers learn of a new topic one after the other.
const PAUSE: Duration = Duration::from_millis(100);

/// Has each group begin at the start of its topic, in the partitions in which it has committed nothing; gives those for which
/// this was committed. A group with members is read already, and stays as it is.
///
/// # Errors
/// [`MetadataError`]: also where the topic is not there.
pub async fn begin_at_start(
    settings: &KafkaSettings,
    groups: &[TopicGroup],
) -> Result<Vec<TopicGroup>, MetadataError> {
    let mut begun = Vec::new();
    for group in groups {
        if begin_when_there(settings, group).await? {
            begun.push(group.clone());
        }
    }
    Ok(begun)
}

async fn begin_when_there(settings: &KafkaSettings, group: &TopicGroup) -> Result<bool, MetadataError> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (settings, group) = (settings.clone(), group.clone());
        match aside(move || begin(&settings, &group)).await {
            Err(MetadataError::Kafka(error)) if is_absent(&error) && Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(MetadataError::Kafka(KafkaError::ConsumerCommit(reason))) if is_read(reason) => {
                return Ok(false);
            }
            other => return other,
        }
    }
}

/// Whether anything was committed.
fn begin(settings: &KafkaSettings, TopicGroup { topic, group }: &TopicGroup) -> Result<bool, KafkaError> {
    let consumer = observer(settings, Some(group))?;
    let partitions = partitions_of(&consumer, topic)?;
    if partitions.is_empty() {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
    }
    let mut wanted = TopicPartitionList::new();
    for partition in partitions {
        wanted.add_partition(topic, partition);
    }
    let committed = consumer.committed_offsets(wanted, LIMIT)?;
    let mut starts = TopicPartitionList::new();
    let untouched = |one: &TopicPartitionListElem<'_>| !matches!(one.offset(), Offset::Offset(_));
    for one in committed.elements().iter().filter(|one| untouched(one)) {
        let (start, _) = consumer.fetch_watermarks(topic, one.partition(), LIMIT)?;
        starts.add_partition_offset(topic, one.partition(), Offset::Offset(start))?;
    }
    if starts.count() == 0 {
        return Ok(false);
    }
    consumer.commit(&starts, CommitMode::Sync).map(|()| true)
}

/// Kafka does not know the topic, its leaders, or the coordinator of the group, yet.
fn is_absent(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
        )
    )
}

/// Kafka takes commits of members alone while a group has any.
fn is_read(reason: RDKafkaErrorCode) -> bool {
    matches!(
        reason,
        RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::RebalanceInProgress
    )
}
