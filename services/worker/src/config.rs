//! The settings of this stage, beside those of the shell and of the database.

use std::time::Duration;

use kafka::{KafkaSettings, ReaderConfig, ReaderMemory, RecordForm};
use pipeline_config::topic::{Beginning, RecordDevice};
use pipeline_config::{Pipeline, SourceTopics};
use runtime::Env;
use sink::HttpSink;
use store::Topic;

/// After this long without a sign of life, Kafka gives a worker's partitions to the others.
const DEFAULT_SESSION: Duration = Duration::from_secs(10);
/// The group where none is named.
const DEFAULT_GROUP: &str = "freshet-worker";
/// Records in one batch: a fifth faster than with a thousand, and no slower than with more (docs/performance.md).
const DEFAULT_BATCH: usize = 4000;
/// More transactions of one topic under way fill nothing but memory.
const MAX_LANES: usize = 4;

/// What the environment says to `worker`.
#[derive(Debug)]
pub struct Config {
    /// `FRESHET_PIPELINE`: the pipeline's files; `freshet.yaml`.
    pub pipeline: Pipeline,
    /// `KAFKA_TOPIC`: the pipeline's own topic, where it has one. `KAFKA_GROUP`: the consumer group, `freshet-worker`, and what those
    /// of sources begin with; `KAFKA_SESSION_TIMEOUT_MS`: how soon a dead worker's partitions go to others, 10 s;
    /// `WORKER_BATCH_RECORDS`: records in one batch, 4000.
    pub own: Option<FeedConfig>,
    /// Whose topics are read too.
    pub sources: Vec<SourceConfig>,
    /// `K_SINK`: where events go.
    pub sink: HttpSink,
}

/// A topic that is read.
#[derive(Debug, Clone)]
pub struct FeedConfig {
    /// Which.
    pub topic: Topic,
    /// What of a record names the device, where that is asked for.
    pub device: Option<RecordDevice>,
    /// Where and how.
    pub reader: ReaderConfig,
    /// Transactions that may be under way at once, as far as there are connections.
    pub lanes: usize,
}

/// A source whose topics are read.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name.
    pub name: String,
    /// Which topics.
    pub topics: SourceTopics,
    /// Where and how each is read; the topic is put in.
    reader: ReaderConfig,
}

/// What holds for every topic.
struct Every {
    group: String,
    session: Duration,
    batch: usize,
}

impl Config {
    /// Reads it; mistakes are noted in `env`, and then there is none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let files = env.text(pipeline_config::VARIABLE);
        let own = env.text("KAFKA_TOPIC");
        let every = Every {
            group: env.text_or("KAFKA_GROUP", DEFAULT_GROUP),
            session: env.millis_or("KAFKA_SESSION_TIMEOUT_MS", DEFAULT_SESSION),
            batch: env.number_or("WORKER_BATCH_RECORDS", DEFAULT_BATCH, 1..=10_000),
        };
        let sink = HttpSink::from_env(env);
        let pipeline = Pipeline::configured(files.as_deref(), |place, reason| env.mistake(place, reason));
        let own = own.and_then(|topic| Some(every.own(topic, KafkaSettings::from_env(env)?)));
        let pipeline = pipeline?;
        let mut sources = Vec::new();
        for (name, source) in &pipeline.sources {
            let Some(topics) = &source.kafka else { continue };
            match every.of_source(name, topics, env) {
                Ok(source) => sources.push(source),
                Err(reason) => env.mistake(format!("source {name}"), reason),
            }
        }
        if own.is_none() && sources.is_empty() && env.mistakes().is_empty() {
            env.mistake("KAFKA_TOPIC", "is not set, and no source of the pipeline reads a topic");
        }
        Some(Self { pipeline, own, sources, sink: sink? })
    }
}

impl SourceConfig {
    /// Where its topics are.
    pub const fn kafka(&self) -> &KafkaSettings {
        &self.reader.kafka
    }

    /// One of its topics.
    pub fn feed(&self, topic: &str) -> FeedConfig {
        let reader = ReaderConfig { topic: topic.to_owned(), ..self.reader.clone() };
        let lanes = if self.topics.only().is_some() { MAX_LANES } else { 1 };
        let (topic, device) = (Topic::of_source(self.name.as_str(), topic), self.topics.device.clone());
        FeedConfig { topic, device, reader, lanes }
    }
}

impl Every {
    fn own(&self, topic: String, kafka: KafkaSettings) -> FeedConfig {
        let reader = self.reader(kafka, self.group.clone(), RecordForm::Events);
        let reader = ReaderConfig { topic: topic.clone(), ..reader };
        FeedConfig { topic: Topic::own(topic), device: None, reader, lanes: MAX_LANES }
    }

    fn of_source(&self, name: &str, topics: &SourceTopics, env: &Env) -> Result<SourceConfig, String> {
        let secrets = topics.secrets(&|name| env.lookup(name)).map_err(|error| error.to_string())?;
        let kafka = KafkaSettings::of_source(topics, &secrets)?;
        let group = topics.group.clone().unwrap_or_else(|| format!("{}.{name}", self.group));
        let mut reader = self.reader(kafka, group, RecordForm::of_source(topics));
        if let Beginning::At(time) = topics.from {
            reader.since = Some(time);
        }
        if topics.only().is_none() {
            reader.memory = ReaderMemory::AMONG_MANY;
        }
        Ok(SourceConfig { name: name.to_owned(), topics: topics.clone(), reader })
    }

    fn reader(&self, kafka: KafkaSettings, group: String, form: RecordForm) -> ReaderConfig {
        let Self { session, batch, .. } = *self;
        let (topic, memory) = (String::new(), ReaderMemory::ALONE);
        ReaderConfig { kafka, topic, group, session, batch, form, since: None, memory }
    }
}
