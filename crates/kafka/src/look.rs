//! Records looked at: no group is joined, and nothing committed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer::drain_config;
use crate::log::Logged;
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;

/// A client has to name a group to be told its offsets.
pub(crate) const GROUP: &str = "freshet-look";
const POLL: Duration = Duration::from_millis(100);

/// A consumer that looks.
pub(crate) fn looker(settings: &KafkaSettings) -> Result<BaseConsumer<Logged>, KafkaError> {
    drain_config(settings, GROUP).create_with_context(Logged)
}

/// A consumer that looks at one record of each partition, and fetches little more than the batch that it is in.
pub(crate) fn glancer(settings: &KafkaSettings) -> Result<BaseConsumer<Logged>, KafkaError> {
    let mut config = drain_config(settings, GROUP);
    config.set("fetch.message.max.bytes", "65536").set("queued.min.messages", "1");
    config.create_with_context(Logged)
}

/// Gives what comes of each partition, from its place on, to `see`, until that breaks or the time is over. The end of a partition
/// is [`KafkaError::PartitionEOF`].
pub(crate) fn follow(
    consumer: &BaseConsumer<Logged>,
    (topic, form): (&str, RecordForm),
    places: &BTreeMap<i32, i64>,
    within: Duration,
    mut see: impl FnMut(Result<Record, KafkaError>) -> ControlFlow<Result<(), KafkaError>>,
) -> Result<(), KafkaError> {
    let name: Arc<str> = Arc::from(topic);
    follow_messages(consumer, topic, places, within, |seen| {
        see(seen.map(|message| Record::of(&message, &name, form)))
    })
}

/// The same of messages that are not read as records.
pub(crate) fn follow_messages(
    consumer: &BaseConsumer<Logged>,
    topic: &str,
    places: &BTreeMap<i32, i64>,
    within: Duration,
    mut see: impl FnMut(Result<BorrowedMessage<'_>, KafkaError>) -> ControlFlow<Result<(), KafkaError>>,
) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in places {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)?;
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        let Some(seen) = consumer.poll(POLL) else { continue };
        if let ControlFlow::Break(end) = see(seen) {
            return end;
        }
    }
    Ok(())
}
