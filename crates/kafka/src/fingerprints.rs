//! What the records at given places are known by.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::error::KafkaError;

use crate::lag::{MetadataError, aside};
use crate::look::{follow, looker};
use crate::record::RecordForm;
use crate::settings::KafkaSettings;

/// For all of them.
const WITHIN: Duration = Duration::from_secs(5);

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
    aside(move || read(&settings, (&topic, form), &places)).await
}

fn read(
    settings: &KafkaSettings,
    (topic, form): (&str, RecordForm),
    places: &BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, i64>, KafkaError> {
    let (mut open, mut found) = (places.clone(), BTreeMap::new());
    follow(&looker(settings)?, (topic, form), places, WITHIN, |seen| {
        match seen {
            // The first that comes is the one, or the one behind it.
            Ok(record) => {
                if open.remove(&record.partition) == Some(record.offset) {
                    found.insert(record.partition, record.fingerprint());
                }
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                open.remove(&partition);
            }
            Err(_) => {}
        }
        if open.is_empty() { ControlFlow::Break(Ok(())) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}
