//! The newest records of a topic, looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer::drain_config;
use crate::lag::{LIMIT, MetadataError, aside, partitions_of};
use crate::log::{Logged, is_absence};
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;

/// No group of this name is ever joined, and nothing committed.
const GROUP: &str = "freshet-look";
const POLL: Duration = Duration::from_millis(100);

/// Some of the newest records of `topic`, at most `most`, in the order in which they come. A partition's are in their order.
///
/// # Errors
/// [`MetadataError`].
pub async fn newest(
    settings: KafkaSettings,
    (topic, form): (String, RecordForm),
    most: usize,
) -> Result<Vec<Record>, MetadataError> {
    aside(move || read(&settings, (&topic, form), most)).await
}

fn read(
    settings: &KafkaSettings,
    (topic, form): (&str, RecordForm),
    most: usize,
) -> Result<Vec<Record>, KafkaError> {
    let consumer: BaseConsumer<Logged> = drain_config(settings, GROUP).create_with_context(Logged)?;
    let partitions = partitions_of(&consumer, topic)?;
    let of_each = i64::try_from(most.div_ceil(partitions.len().max(1))).unwrap_or(i64::MAX);
    let mut list = TopicPartitionList::new();
    let mut open = 0;
    for partition in partitions {
        let (first, end) = consumer.fetch_watermarks(topic, partition, LIMIT)?;
        if first < end {
            list.add_partition_offset(topic, partition, Offset::Offset((end - of_each).max(first)))?;
            open += 1;
        }
    }
    consumer.assign(&list)?;
    let (topic, deadline) = (Arc::from(topic), Instant::now() + LIMIT);
    let mut records = Vec::new();
    while open > 0 && records.len() < most && Instant::now() < deadline {
        match consumer.poll(POLL) {
            Some(Ok(message)) => records.push(Record::of(&message, &topic, form)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) if !is_absence(&error) => return Err(error),
            Some(Err(_)) | None => {}
        }
    }
    Ok(records)
}
