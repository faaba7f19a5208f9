//! Records that were read before, looked at again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use crate::consumer::drain_config;
use crate::lag::{LIMIT, MetadataError, aside};
use crate::log::{Logged, is_absence};
use crate::record::{KeptRecords, Record, RecordForm, RecordRange};
use crate::settings::KafkaSettings;

/// No group of this name is ever joined, and nothing committed.
const GROUP: &str = "freshet-look";
const POLL: Duration = Duration::from_millis(100);

/// What Kafka keeps of `range`, at most `most` records.
///
/// # Errors
/// [`MetadataError`].
pub async fn records(
    settings: KafkaSettings,
    (range, form): (RecordRange, RecordForm),
    most: usize,
) -> Result<KeptRecords, MetadataError> {
    aside(move || read(&settings, (&range, form), most)).await
}

fn read(
    settings: &KafkaSettings,
    (range, form): (&RecordRange, RecordForm),
    most: usize,
) -> Result<KeptRecords, KafkaError> {
    let RecordRange { topic, partition, first, last } = range;
    let consumer: BaseConsumer<Logged> = drain_config(settings, GROUP).create_with_context(Logged)?;
    let (kept_from, end) = consumer.fetch_watermarks(topic, *partition, LIMIT)?;
    let mut kept = KeptRecords { kept_from, records: Vec::new() };
    let (from, behind) = ((*first).max(kept_from), (last + 1).min(end));
    if from >= behind {
        return Ok(kept);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, *partition, Offset::Offset(from))?;
    consumer.assign(&list)?;
    let (topic, deadline) = (Arc::from(topic.as_str()), Instant::now() + LIMIT);
    while kept.records.len() < most && Instant::now() < deadline {
        match consumer.poll(POLL) {
            Some(Ok(message)) if message.offset() >= behind => break,
            Some(Ok(message)) => {
                let is_last = message.offset() + 1 == behind;
                kept.records.push(Record::of(&message, &topic, form));
                if is_last {
                    break;
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) if !is_absence(&error) => return Err(error),
            Some(Err(_)) | None => {}
        }
    }
    Ok(kept)
}
