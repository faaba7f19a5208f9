//! A record of Kafka as what is persisted of it.

use kafka::Record;
use payload::Carried;
use persist::{TopicRecord, Unreadable};
use store::RecordPlace;
use store::dead_letters::DeadEvent;

/// The record with its place, and with what a dead letter keeps where it holds no event.
pub(crate) fn topic_record(record: Record) -> TopicRecord {
    let Record { topic, partition, offset, published_at, trace, event, bytes } = record;
    let place = RecordPlace { topic, partition, offset };
    let event = event.map(Carried::new).map_err(|none| {
        let headers: Vec<_> =
            none.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let kept = DeadEvent::of_record(&place, &headers, none.value.as_deref());
        Box::new(Unreadable { reason: none.reason, kept })
    });
    TopicRecord { place, published_at, trace, event, bytes }
}
