//! Records that were read before, looked at again.

use std::ops::ControlFlow;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;

use crate::lag::{LIMIT, MetadataError, aside};
use crate::log::is_absence;
use crate::look::{follow, looker};
use crate::record::{KeptRecords, RecordForm, RecordRange};
use crate::settings::KafkaSettings;

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
    let consumer = looker(settings)?;
    let (kept_from, end) = consumer.fetch_watermarks(topic, *partition, LIMIT)?;
    let mut kept = KeptRecords { kept_from, end, records: Vec::new() };
    let (from, behind) = ((*first).max(kept_from), (last + 1).min(end));
    if from >= behind || most == 0 {
        return Ok(kept);
    }
    follow(&consumer, (topic, form), &[(*partition, from)].into(), LIMIT, |seen| {
        match seen {
            Ok(record) if record.offset >= behind => return ControlFlow::Break(Ok(())),
            Ok(record) => {
                let is_last = record.offset + 1 == behind;
                kept.records.push(record);
                if is_last || kept.records.len() >= most {
                    return ControlFlow::Break(Ok(()));
                }
            }
            Err(KafkaError::PartitionEOF(_)) => return ControlFlow::Break(Ok(())),
            Err(error) if !is_absence(&error) => return ControlFlow::Break(Err(error)),
            Err(_) => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(kept)
}
