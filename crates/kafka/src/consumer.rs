//! The settings of consumers: those that read payloads as members of a group, those that drain a topic, and those that only look.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;

use crate::log::Logged;
use crate::settings::KafkaSettings;

/// A member of `group` that commits by itself what it has made safe; a dead one's partitions go to others after `session`. So many
/// bytes are fetched before they are wanted.
pub(crate) fn member_config(
    settings: &KafkaSettings,
    (group, session): (&str, Duration),
    ahead: usize,
) -> ClientConfig {
    let session = session.as_millis();
    let mut config = committing(settings, group);
    config
        // A place that is not there is looked at, not passed over.
        .set("auto.offset.reset", "error")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session.to_string())
        .set("heartbeat.interval.ms", (session / 4).max(100).to_string())
        .set("max.poll.interval.ms", session.max(300_000).to_string())
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        // What is read ahead is memory. A full queue is looked at again soon: the default of a second starves the reader.
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", (ahead / 1024).to_string())
        .set("fetch.queue.backoff.ms", "5")
        .set("topic.metadata.refresh.interval.ms", "10000");
    config
}

/// A reader of all partitions from where `group` has come to up to their ends. It never joins the group: a rebalance would
/// cost most of a delivery's time.
pub(crate) fn drain_config(settings: &KafkaSettings, group: &str) -> ClientConfig {
    let mut config = committing(settings, group);
    config.set("enable.partition.eof", "true").set("queued.max.messages.kbytes", "8192");
    config
}

/// A client that looks at topics, and at the offsets of `group`.
pub(crate) fn observer(
    settings: &KafkaSettings,
    group: Option<&str>,
) -> Result<BaseConsumer<Logged>, KafkaError> {
    let mut config = settings.client_config();
    if let Some(group) = group {
        config.set("group.id", group).set("enable.auto.commit", "false");
    }
    config.set("allow.auto.create.topics", "false").create_with_context(Logged)
}

/// Offsets are committed when what they stand for is safe, and by nothing else; what was there before the first reader came is
/// read too.
fn committing(settings: &KafkaSettings, group: &str) -> ClientConfig {
    let mut config = settings.client_config();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100");
    config
}
