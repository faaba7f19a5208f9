//! What Kafka's own tables say: which topics there are, and how far a group has read.

use std::time::Duration;

use kafka::{KafkaSettings, Logged};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};
use runtime::Env;

use crate::failure::Failure;

/// For one answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A group that reads a topic: `TOPIC:GROUP` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
}

impl std::str::FromStr for Reader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((topic, group)) if !topic.is_empty() && !group.is_empty() => {
                Ok(Self { topic: topic.to_owned(), group: group.to_owned() })
            }
            _ => Err("write it as TOPIC:GROUP".to_owned()),
        }
    }
}

impl std::fmt::Display for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.topic, self.group)
    }
}

/// The Kafka of the `KAFKA_*` variables.
///
/// # Errors
/// With every mistake of the variables.
pub fn settings() -> Result<KafkaSettings, Failure> {
    let mut env = Env::process();
    let settings = KafkaSettings::from_env(&mut env);
    match (env.finish(), settings) {
        (Ok(()), Some(settings)) => Ok(settings),
        (Err(mistakes), _) => Err(Failure::new(format!("Kafka is not known: {mistakes}"))),
        (Ok(()), None) => Err(Failure::new("Kafka is not known: KAFKA_BOOTSTRAP_SERVERS is not set")),
    }
}

/// Those of `topics` that Kafka does not have.
///
/// # Errors
/// Where Kafka cannot be asked.
pub async fn missing_topics(settings: KafkaSettings, topics: Vec<String>) -> Result<Vec<String>, Failure> {
    aside(move || {
        let metadata = consumer(&settings, None)?.fetch_metadata(None, LIMIT)?;
        let is_there =
            |wanted: &String| metadata.topics().iter().any(|topic| topic.name() == wanted.as_str());
        Ok(topics.into_iter().filter(|wanted| !is_there(wanted)).collect())
    })
    .await
}

/// How many records of its topic each group has not committed yet, in the order of `readers`.
///
/// # Errors
/// Where Kafka cannot be asked.
pub async fn lags(settings: KafkaSettings, readers: Vec<Reader>) -> Result<Vec<i64>, Failure> {
    aside(move || readers.iter().map(|reader| lag(&settings, reader)).collect()).await
}

fn lag(settings: &KafkaSettings, reader: &Reader) -> Result<i64, KafkaError> {
    let consumer = consumer(settings, Some(&reader.group))?;
    let metadata = consumer.fetch_metadata(Some(&reader.topic), LIMIT)?;
    let mut wanted = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        wanted.add_partition(&reader.topic, partition.id());
    }
    if wanted.count() == 0 {
        return Ok(0);
    }
    let mut total = 0;
    for committed in consumer.committed_offsets(wanted, LIMIT)?.elements() {
        let (low, high) = consumer.fetch_watermarks(&reader.topic, committed.partition(), LIMIT)?;
        // A group that never committed reads from the beginning.
        let next = if let Offset::Offset(next) = committed.offset() { next.max(low) } else { low };
        total += (high - next).max(0);
    }
    Ok(total)
}

fn consumer(settings: &KafkaSettings, group: Option<&str>) -> Result<BaseConsumer<Logged>, KafkaError> {
    let mut config = settings.client_config();
    if let Some(group) = group {
        config.set("group.id", group).set("enable.auto.commit", "false");
    }
    config.set("allow.auto.create.topics", "false").create_with_context(Logged)
}

/// librdkafka's questions block.
async fn aside<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Failure::because("Kafka cannot be asked", &error)),
        Err(error) => Err(Failure::because("Kafka was not asked to the end", &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn a_reader_is_a_topic_and_a_group() {
        let reader: Reader = "plant.payloads:plant.transform".parse().unwrap();
        assert_eq!((reader.topic.as_str(), reader.group.as_str()), ("plant.payloads", "plant.transform"));
        assert_eq!(reader.to_string(), "plant.payloads:plant.transform");
        assert!("plant".parse::<Reader>().is_err());
    }
}
