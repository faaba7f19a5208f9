//! A topic read to its end by one process at a time, such as that of dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use runtime::Deadline;
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

use crate::consumer::drain_config;
use crate::log::Logged;
use crate::record::{Record, RecordForm};
use crate::settings::KafkaSettings;
use crate::topic_group::TopicGroup;

/// Records that are given before their offsets are committed.
const AT_ONCE: usize = 200;
/// For one answer of Kafka.
const ANSWER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);

/// Why a topic is not drained.
#[derive(Debug, Error)]
pub enum DrainError {
    /// Kafka is not there, or refuses.
    #[error("the topic cannot be read")]
    Kafka(#[from] KafkaError),
    /// The process ends.
    #[error("the process is ending")]
    Ending(#[from] JoinError),
}

/// A topic while it is read.
pub struct Drain {
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

impl Drain {
    /// Begins where `group` has come to in `topic`. Reading ends at what is there now, or at `deadline`.
    ///
    /// No membership is asked for: partitions are taken without a rebalance, which would cost most of a delivery's time.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn open(
        settings: &KafkaSettings,
        TopicGroup { topic, group }: &TopicGroup,
        deadline: Deadline,
    ) -> Result<Self, DrainError> {
        let (config, topic) = (drain_config(settings, group), Arc::from(topic.as_str()));
        Ok(spawn_blocking(move || Self::open_now(&config, topic, deadline)).await??)
    }

    fn open_now(config: &ClientConfig, topic: Arc<str>, deadline: Deadline) -> Result<Self, KafkaError> {
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

    /// The next records; none where the end or the deadline is reached. Gives itself back.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn next(mut self) -> Result<(Self, Vec<Record>), DrainError> {
        Ok(spawn_blocking(move || {
            let records = self.poll()?;
            Ok::<_, KafkaError>((self, records))
        })
        .await??)
    }

    fn poll(&mut self) -> Result<Vec<Record>, KafkaError> {
        let mut records = Vec::new();
        while records.len() < AT_ONCE && !self.open.is_empty() && !self.deadline.left().is_zero() {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    self.read.insert(message.partition(), message.offset() + 1);
                    records.push(Record::of(&message, &self.topic, RecordForm::Events));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.open.remove(&partition);
                }
                Some(Err(error)) if is_final(&error) => return Err(error),
                // The client connects again by itself.
                Some(Err(_)) | None => {}
            }
        }
        Ok(records)
    }

    /// Commits what was read. Gives itself back.
    ///
    /// # Errors
    /// [`DrainError`]; it is read again then.
    pub async fn commit(mut self) -> Result<Self, DrainError> {
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
