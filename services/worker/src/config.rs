//! The settings of this stage, beside those of the shell and of the database.

use std::time::Duration;

use kafka::{KafkaSettings, ReaderConfig};
use pipeline_config::Pipeline;
use runtime::Env;
use sink::HttpSink;

/// After this long without a sign of life, Kafka gives a worker's partitions to the others.
const DEFAULT_SESSION: Duration = Duration::from_secs(10);
/// The group where none is named.
const DEFAULT_GROUP: &str = "freshet-worker";
/// Records in one batch.
const DEFAULT_BATCH: usize = 1000;

/// What the environment says to `worker`.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// `KAFKA_TOPIC`: what is read; `KAFKA_GROUP`: the consumer group, `freshet-worker`; `KAFKA_SESSION_TIMEOUT_MS`: how soon a
    /// dead worker's partitions go to others, 10 s; `WORKER_BATCH_RECORDS`: records in one batch, 1000.
    pub reader: ReaderConfig,
    /// `K_SINK`: where events go.
    pub sink: HttpSink,
}

impl Config {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let topic = env.required("KAFKA_TOPIC");
        let group = env.text_or("KAFKA_GROUP", DEFAULT_GROUP);
        let session = env.millis_or("KAFKA_SESSION_TIMEOUT_MS", DEFAULT_SESSION);
        let batch = env.number_or("WORKER_BATCH_RECORDS", DEFAULT_BATCH, 1..=10_000);
        let kafka = KafkaSettings::from_env(env);
        let sink = HttpSink::from_env(env);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason))?;
        let reader = ReaderConfig { kafka: kafka?, topic, group, session, batch };
        Some(Self { pipeline, reader, sink: sink? })
    }
}
