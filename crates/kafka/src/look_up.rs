//! Records that were read before, looked at again.

use std::ops::ControlFlow;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::lag::{LIMIT, MetadataError, aside};
use crate::log::is_absence;
use crate::look::{follow, looker};
use crate::record::{KeptRecords, Record, RecordForm, RecordRange};
use crate::settings::KafkaSettings;

/// Bytes of values that are read at once; one record more may have been.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// What Kafka keeps of `range`, at most `most` records, and no more once their values are over 8 MiB. Of a topic that is not there it keeps
/// nothing.
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
    let (kept_from, end) = match consumer.fetch_watermarks(topic, *partition, LIMIT) {
        Err(error) if is_unknown(&error) => (last + 1, last + 1),
        watermarks => watermarks?,
    };
    let (from, behind) = ((*first).max(kept_from), (last + 1).min(end));
    let mut kept = KeptRecords { kept_from, end, read_to: from, records: Vec::new() };
    if from >= behind {
        kept.read_to = last + 1;
        return Ok(kept);
    }
    if most == 0 {
        return Ok(kept);
    }
    let mut bytes = 0;
    follow(&consumer, (topic, form), &[(*partition, from)].into(), LIMIT, |seen| {
        match seen {
            Ok(Record { offset, .. }) if offset >= behind => kept.read_to = last + 1,
            Ok(record) => {
                kept.read_to = if record.offset + 1 == behind { last + 1 } else { record.offset + 1 };
                bytes += record.bytes;
                kept.records.push(record);
                if kept.read_to <= *last && kept.records.len() < most && bytes < MOST_BYTES {
                    return ControlFlow::Continue(());
                }
            }
            Err(KafkaError::PartitionEOF(_)) => kept.read_to = last + 1,
            Err(error) if !is_absence(&error) => return ControlFlow::Break(Err(error)),
            Err(_) => return ControlFlow::Continue(()),
        }
        ControlFlow::Break(Ok(()))
    })?;
    Ok(kept)
}

fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition)
    )
}
