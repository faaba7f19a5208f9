//! The settings of this stage, beside those of the shell and of the database.

use std::time::Duration;

use kafka::{KafkaSettings, ReaderConfig, RecordForm};
use pipeline_config::topic::Beginning;
use pipeline_config::{Pipeline, SourceTopic};
use runtime::Env;
use sink::HttpSink;
use store::Topic;

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
    /// `KAFKA_TOPIC`: the pipeline's own topic, where it has one; and the topics of sources. `KAFKA_GROUP`: the consumer group,
    /// `freshet-worker`, and what those of sources begin with; `KAFKA_SESSION_TIMEOUT_MS`: how soon a dead worker's partitions go
    /// to others, 10 s; `WORKER_BATCH_RECORDS`: records in one batch, 1000.
    pub feeds: Vec<FeedConfig>,
    /// `K_SINK`: where events go.
    pub sink: HttpSink,
}

/// A topic that is read.
#[derive(Debug, Clone)]
pub struct FeedConfig {
    /// Which.
    pub topic: Topic,
    /// Where and how.
    pub reader: ReaderConfig,
    /// Where reading begins.
    pub from: Beginning,
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
        let mut feeds = Vec::from_iter(own);
        for (name, source) in &pipeline.sources {
            let Some(topic) = &source.kafka else { continue };
            match every.of_source(name, topic, env) {
                Ok(feed) => feeds.push(feed),
                Err(reason) => env.mistake(format!("source {name}"), reason),
            }
        }
        if feeds.is_empty() && env.mistakes().is_empty() {
            env.mistake("KAFKA_TOPIC", "is not set, and no source of the pipeline reads a topic");
        }
        Some(Self { pipeline, feeds, sink: sink? })
    }
}

impl Every {
    fn own(&self, topic: String, kafka: KafkaSettings) -> FeedConfig {
        let reader = self.reader((topic.clone(), self.group.clone()), kafka, RecordForm::Events);
        FeedConfig { topic: Topic::own(topic), reader, from: Beginning::Earliest }
    }

    fn of_source(&self, name: &str, topic: &SourceTopic, env: &Env) -> Result<FeedConfig, String> {
        let secrets = topic.secrets(&|name| env.lookup(name)).map_err(|error| error.to_string())?;
        let kafka = KafkaSettings::of_source(topic, &secrets)?;
        let group = topic.group.clone().unwrap_or_else(|| format!("{}.{name}", self.group));
        let mut reader = self.reader((topic.topic.clone(), group), kafka, RecordForm::Plain);
        if let Beginning::At(time) = topic.from {
            reader.since = Some(time);
        }
        Ok(FeedConfig { topic: Topic::of_source(name, topic.topic.as_str()), reader, from: topic.from })
    }

    fn reader(
        &self,
        (topic, group): (String, String),
        kafka: KafkaSettings,
        form: RecordForm,
    ) -> ReaderConfig {
        ReaderConfig { kafka, topic, group, session: self.session, batch: self.batch, form, since: None }
    }
}
