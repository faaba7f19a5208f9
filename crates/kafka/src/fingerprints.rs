//! What the records at given places are known by.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::error::KafkaError;

use crate::lag::{MetadataError, aside};
use crate::look::{follow_messages, glancer};
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;

/// For all of them.
const WITHIN: Duration = Duration::from_secs(5);

/// The fingerprint of the record at an offset of each partition, `None` where there is none; only of those that answer within seconds.
///
/// # Errors
/// [`MetadataError`].
pub async fn fingerprints(
    settings: KafkaSettings,
    (topic, form): (String, RecordForm),
    places: BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, Option<i64>>, MetadataError> {
    if places.is_empty() {
        return Ok(BTreeMap::new());
    }
    aside(move || read(&settings, (&topic, form), &places)).await
}

fn read(
    settings: &KafkaSettings,
    (topic, form): (&str, RecordForm),
    places: &BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, Option<i64>>, KafkaError> {
    let (mut found, name) = (BTreeMap::new(), Arc::<str>::from(topic));
    follow_messages(&glancer(settings)?, topic, places, WITHIN, |seen| {
        match seen {
            // The first that comes is the one, or the one behind it.
            Ok(message) => {
                found.entry(message.partition()).or_insert_with(|| {
                    let is_there = places.get(&message.partition()) == Some(&message.offset());
                    is_there.then(|| Record::of(&message, &name, form).fingerprint())
                });
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                found.entry(partition).or_insert(None);
            }
            Err(_) => {}
        }
        if found.len() == places.len() { ControlFlow::Break(Ok(())) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}
