//! The newest records of a topic, looked at.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use crate::lag::{LIMIT, MetadataError, aside, partitions_of};
use crate::log::is_absence;
use crate::look::{follow, looker};
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;

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
    let consumer = looker(settings)?;
    let partitions = partitions_of(&consumer, topic)?;
    let of_each = i64::try_from(most.div_ceil(partitions.len().max(1))).unwrap_or(i64::MAX);
    let mut places = BTreeMap::new();
    for partition in partitions {
        let (first, end) = consumer.fetch_watermarks(topic, partition, LIMIT)?;
        if first < end {
            places.insert(partition, (end - of_each).max(first));
        }
    }
    let (mut records, mut open) = (Vec::new(), places.len());
    if open == 0 || most == 0 {
        return Ok(records);
    }
    follow(&consumer, (topic, form), &places, LIMIT, |seen| {
        match seen {
            Ok(record) => records.push(record),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) if !is_absence(&error) => return ControlFlow::Break(Err(error)),
            Err(_) => {}
        }
        if open == 0 || records.len() >= most {
            ControlFlow::Break(Ok(()))
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(records)
}
