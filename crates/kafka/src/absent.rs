//! A build without librdkafka. It has no value of [`KafkaSettings`], so that what needs one is never reached.

use std::collections::BTreeMap;
use std::time::Duration;

use cloudevents::Event;
use jiff::Timestamp;
use pipeline_config::SourceTopics;
use pipeline_config::topic::TopicSecrets;
use runtime::trace::TraceContext;
use runtime::{Deadline, Env};
use sink::{Sink, SinkError};
use thiserror::Error;

use crate::{KeptRecords, PartitionPosition, Record, RecordForm, RecordRange, TopicGroup, TopicSpec};

const REASON: &str = "this build has no Kafka: build with the Cargo feature `kafka`, or take a release";

#[derive(Debug, Clone, Copy)]
enum Never {}

/// How to reach a Kafka cluster: not at all.
#[derive(Debug, Clone, Copy)]
pub struct KafkaSettings(Never);

/// A topic as a sink: there is none.
#[derive(Debug, Clone, Copy)]
pub struct KafkaSink(Never);

/// A topic while it is read: none is.
#[derive(Debug, Clone, Copy)]
pub struct Drain(Never);

/// Why Kafka did not answer: it is not asked.
#[derive(Debug, Error)]
#[error("{REASON}")]
pub struct MetadataError(Never);

/// Why a topic is not drained: none is read.
#[derive(Debug, Error)]
#[error("{REASON}")]
pub struct DrainError(Never);

/// Why topics could not be made: none are asked for.
#[derive(Debug, Error)]
#[error("{REASON}")]
pub struct AdminError(Never);

impl KafkaSettings {
    /// None; that `env` asks for Kafka is noted as a mistake.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        env.mistake("KAFKA_BOOTSTRAP_SERVERS", REASON);
        None
    }

    /// As that of a build with Kafka.
    ///
    /// # Errors
    /// That this is none.
    pub const fn of_source(_: &SourceTopics, _: &TopicSecrets) -> Result<Self, &'static str> {
        Err(REASON)
    }
}

impl KafkaSink {
    /// None; that `env` asks for Kafka is noted as a mistake.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        env.mistake("KAFKA_TOPIC", REASON);
        None
    }

    /// As that of a build with Kafka.
    pub async fn flush(&self, _: Duration) {
        match self.0 {}
    }
}

impl Sink for KafkaSink {
    async fn send(&self, _: &Event, _: Option<&TraceContext>) -> Result<(), SinkError> {
        match self.0 {}
    }
}

impl Drain {
    /// As that of a build with Kafka.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn open(settings: &KafkaSettings, _: &TopicGroup, _: Deadline) -> Result<Self, DrainError> {
        match settings.0 {}
    }

    /// As that of a build with Kafka.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn next(self) -> Result<(Self, Vec<Record>), DrainError> {
        match self.0 {}
    }

    /// As that of a build with Kafka.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn commit(self) -> Result<Self, DrainError> {
        match self.0 {}
    }
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`AdminError`].
pub async fn create_missing_topics(
    settings: &KafkaSettings,
    _: &[TopicSpec],
) -> Result<Vec<String>, AdminError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn begin_at_start(
    settings: &KafkaSettings,
    _: &[TopicGroup],
) -> Result<Vec<TopicGroup>, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn missing_topics(settings: KafkaSettings, _: Vec<String>) -> Result<Vec<String>, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn topics(settings: KafkaSettings) -> Result<Vec<String>, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn partitions(settings: KafkaSettings, _: String) -> Result<Vec<i32>, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn positions(
    settings: KafkaSettings,
    _: Vec<TopicGroup>,
) -> Result<Vec<Vec<PartitionPosition>>, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn records(
    settings: KafkaSettings,
    _: (RecordRange, RecordForm),
    _: usize,
) -> Result<KeptRecords, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn places_since(
    settings: KafkaSettings,
    _: String,
    _: Timestamp,
) -> Result<BTreeMap<i32, i64>, MetadataError> {
    match settings.0 {}
}

/// As that of a build with Kafka.
///
/// # Errors
/// [`MetadataError`].
pub async fn newest(
    settings: KafkaSettings,
    _: (String, RecordForm),
    _: usize,
) -> Result<Vec<Record>, MetadataError> {
    match settings.0 {}
}

#[cfg(test)]
mod tests {
    use runtime::Env;

    use super::{KafkaSettings, KafkaSink};

    #[test]
    fn a_build_without_kafka_says_so_where_it_is_given_its_settings() {
        let mut env =
            Env::from_pairs(&[("KAFKA_TOPIC", "payloads"), ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")]);
        assert!(KafkaSettings::from_env(&mut env).is_none());
        assert!(KafkaSink::from_env(&mut env).is_none());
        let mistakes = env.finish().unwrap_err();
        for (mistake, place) in mistakes.0.iter().zip(["KAFKA_BOOTSTRAP_SERVERS", "KAFKA_TOPIC"]) {
            assert_eq!(mistake.place, place);
            assert!(mistake.reason.contains("this build has no Kafka"), "{mistakes}");
        }
        assert_eq!(mistakes.0.len(), 2);
    }
}
