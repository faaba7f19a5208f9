//! The settings of the worker, beside those of the stage.

use std::time::Duration;

use kafka::KafkaSettings;
use rdkafka::ClientConfig;
use runtime::Env;
use sink::HttpSink;

/// After this long without a sign of life, Kafka gives a worker's partitions to the others.
const DEFAULT_SESSION: Duration = Duration::from_secs(10);
/// The group where none is named.
const DEFAULT_GROUP: &str = "freshet-transform";
/// Records in one batch.
const DEFAULT_BATCH: usize = 1000;

/// What `transform --worker` is told by its environment.
#[derive(Debug)]
pub struct WorkerConfig {
    /// `KAFKA_TOPIC`: what is read.
    pub topic: String,
    /// `KAFKA_GROUP`: the consumer group; `freshet-transform`.
    pub group: String,
    /// `KAFKA_SESSION_TIMEOUT_MS`: how soon a dead worker's partitions go to others; 10 s.
    pub session: Duration,
    /// `WORKER_BATCH_RECORDS`: records in one batch; 1000.
    pub batch: usize,
    /// Where Kafka is.
    pub kafka: KafkaSettings,
    /// `K_SINK`: where events go.
    pub sink: HttpSink,
}

impl WorkerConfig {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let topic = env.required("KAFKA_TOPIC");
        let group = env.text_or("KAFKA_GROUP", DEFAULT_GROUP);
        let session = env.millis_or("KAFKA_SESSION_TIMEOUT_MS", DEFAULT_SESSION);
        let batch = env.number_or("WORKER_BATCH_RECORDS", DEFAULT_BATCH, 1..=10_000);
        let kafka = KafkaSettings::from_env(env);
        let sink = HttpSink::from_env(env);
        Some(Self { topic, group, session, batch, kafka: kafka?, sink: sink? })
    }

    /// What the consumer is told.
    pub(super) fn consumer(&self) -> ClientConfig {
        kafka::member_config(&self.kafka, &self.group, self.session)
    }
}
