//! What the records at given places are known by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer::drain_config;
use crate::lag::{MetadataError, aside};
use crate::log::Logged;
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;

/// No group of this name is ever joined, and nothing committed.
const GROUP: &str = "freshet-look";
/// For all of them.
const WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// The fingerprint of the record at an offset of each partition, where there is one and it comes within seconds.
///
/// # Errors
/// [`MetadataError`].
pub async fn fingerprints(
    settings: KafkaSettings,
    (topic, form): (String, RecordForm),
    places: BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, i64>, MetadataError> {
    if places.is_empty() {
        return Ok(BTreeMap::new());
    }
    aside(move || read(&settings, (&topic, form), places)).await
}

fn read(
    settings: &KafkaSettings,
    (topic, form): (&str, RecordForm),
    mut open: BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let consumer: BaseConsumer<Logged> = drain_config(settings, GROUP).create_with_context(Logged)?;
    let mut list = TopicPartitionList::new();
    for (partition, offset) in &open {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)?;
    let (name, deadline) = (Arc::from(topic), Instant::now() + WITHIN);
    let mut found = BTreeMap::new();
    while !open.is_empty() && Instant::now() < deadline {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let record = Record::of(&message, &name, form);
                // The first that comes is the one, or the one behind it.
                if open.remove(&record.partition) == Some(record.offset) {
                    found.insert(record.partition, record.fingerprint());
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(_)) | None => {}
        }
    }
    Ok(found)
}
