//! The dead letter sink as a Kafka topic: durable while the database is away, drained on the tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::TICK;
use jiff::Timestamp;
use kafka::{KafkaSettings, Logged};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use runtime::{Deadline, Env};
use store::RecordPlace;
use store::dead_letters::{Cause, DeadEvent, DeadLetter};
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

use crate::letter::letter;

/// Letters that are kept before their offsets are committed.
const AT_ONCE: usize = 200;
/// For one answer of Kafka.
const ANSWER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Which topic, and as whom it is read.
#[derive(Debug, Clone)]
pub struct DeadLetterTopic {
    topic: Arc<str>,
    group: String,
    kafka: KafkaSettings,
}

/// Why a topic is not drained.
#[derive(Debug, Error)]
pub enum TopicError {
    /// Kafka is not there, or refuses.
    #[error("the dead letter topic cannot be read")]
    Kafka(#[from] KafkaError),
    /// The process ends.
    #[error("the process is ending")]
    Ending(#[from] JoinError),
}

impl DeadLetterTopic {
    /// What `KAFKA_DEAD_LETTER_TOPIC` and `KAFKA_DEAD_LETTER_GROUP` name; `None` where no topic is named. Mistakes are
    /// noted in `env`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let topic = env.text("KAFKA_DEAD_LETTER_TOPIC")?;
        let group = env.text_or("KAFKA_DEAD_LETTER_GROUP", "freshet-dead-letter");
        Some(Self { topic: topic.into(), group, kafka: KafkaSettings::from_env(env)? })
    }

    /// Begins where the group has come to. Reading ends at what is there now, or at `deadline`.
    ///
    /// No membership is asked for: partitions are taken without a rebalance, which would cost most of a tick's time.
    ///
    /// # Errors
    /// [`TopicError`].
    pub async fn open(&self, deadline: Deadline) -> Result<Reading, TopicError> {
        let (config, topic) = (self.consumer(), Arc::clone(&self.topic));
        Ok(spawn_blocking(move || Reading::open(&config, topic, deadline)).await??)
    }

    fn consumer(&self) -> ClientConfig {
        let mut config = self.kafka.client_config();
        config
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "8192");
        config
    }
}

/// A topic while it is read.
pub struct Reading {
    consumer: Closing,
    topic: Arc<str>,
    deadline: Deadline,
    /// Partitions whose end was not reached yet.
    open: BTreeSet<i32>,
    /// The offset behind what was read, by partition.
    read: BTreeMap<i32, i64>,
}

/// A consumer that is closed on a thread of its own: closing waits for Kafka, and Kafka may be away.
struct Closing(Option<BaseConsumer<Logged>>);

impl std::ops::Deref for Closing {
    type Target = BaseConsumer<Logged>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("a consumer is there until it is dropped")
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let consumer = self.0.take();
        std::thread::spawn(move || drop(consumer));
    }
}

impl Reading {
    fn open(config: &ClientConfig, topic: Arc<str>, deadline: Deadline) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer<Logged> = config.create_with_context(Logged)?;
        let metadata = consumer.fetch_metadata(Some(&topic), ANSWER)?;
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
            list.add_partition(&topic, partition.id());
        }
        let committed = consumer.committed_offsets(list, ANSWER)?;
        let mut begin = TopicPartitionList::new();
        for partition in committed.elements() {
            let offset = match partition.offset() {
                Offset::Invalid => Offset::Beginning,
                offset => offset,
            };
            begin.add_partition_offset(&topic, partition.partition(), offset)?;
        }
        consumer.assign(&begin)?;
        let open = begin
            .elements()
            .iter()
            .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
            .collect();
        Ok(Self { consumer: Closing(Some(consumer)), topic, deadline, open, read: BTreeMap::new() })
    }

    /// The next letters; none where the end or the deadline is reached. Gives itself back.
    ///
    /// # Errors
    /// [`TopicError`].
    pub async fn next(mut self, now: Timestamp) -> Result<(Self, Vec<DeadLetter>), TopicError> {
        Ok(spawn_blocking(move || {
            let letters = self.poll(now)?;
            Ok::<_, KafkaError>((self, letters))
        })
        .await??)
    }

    fn poll(&mut self, now: Timestamp) -> Result<Vec<DeadLetter>, KafkaError> {
        let mut letters = Vec::new();
        while letters.len() < AT_ONCE && !self.open.is_empty() && !self.deadline.left().is_zero() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    self.read.insert(message.partition(), message.offset() + 1);
                    letters.extend(letter_of(&message, &self.topic, now));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.open.remove(&partition);
                }
                Some(Err(error)) if is_final(&error) => return Err(error),
                // The client connects again by itself.
                Some(Err(_)) | None => {}
            }
        }
        Ok(letters)
    }

    /// Commits what was read. Gives itself back.
    ///
    /// # Errors
    /// [`TopicError`]; it is read again then.
    pub async fn commit(mut self) -> Result<Self, TopicError> {
        Ok(spawn_blocking(move || {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in std::mem::take(&mut self.read) {
                list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
            }
            if list.count() > 0 {
                self.consumer.commit(&list, CommitMode::Sync)?;
            }
            Ok::<_, KafkaError>(self)
        })
        .await??)
    }
}

fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopic
                | Code::UnknownTopicOrPartition
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::Authentication
                | Code::SaslAuthenticationFailed
        )
    )
}

/// The letter of a record. Ticks are no letters: the next one does the same.
fn letter_of(message: &BorrowedMessage<'_>, topic: &Arc<str>, now: Timestamp) -> Option<DeadLetter> {
    use cloudevents::AttributesReader as _;
    let headers: Vec<(&str, &[u8])> = message
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect())
        .unwrap_or_default();
    let published = message.timestamp().to_millis();
    let at = published.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or(now).min(now);
    match cloudevent::from_kafka(headers.iter().copied(), message.payload()) {
        Ok(event) if event.ty() == TICK => None,
        Ok(event) => Some(letter(&event, at)),
        Err(error) => {
            let place = RecordPlace {
                topic: Arc::clone(topic),
                partition: message.partition(),
                offset: message.offset(),
            };
            Some(DeadLetter {
                event: DeadEvent::of_record(&place, &headers, message.payload()),
                stage: "unknown".to_owned(),
                cause: Cause::Malformed,
                reason: format!("the record is no CloudEvent: {error}"),
                problems: Vec::new(),
                at,
            })
        }
    }
}
