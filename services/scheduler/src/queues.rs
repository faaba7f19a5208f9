//! Where payloads wait before they are rows, and how far that queue is consumed.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kafka::{KafkaSettings, MetadataError, TopicGroup};
use runtime::Env;
use store::{Database, StoreError, Topic, topic_offsets};
use thiserror::Error;

use crate::local::{self, LocalError};
use crate::look::{Look, Queue};

/// A consumer on this machine reads over the tick itself within this time.
const LOCAL_WAIT: Duration = Duration::from_secs(2);
const LOCAL_POLL: Duration = Duration::from_millis(20);

/// Where payloads wait.
#[derive(Debug, Clone)]
pub enum Queues {
    /// Nothing can be known: a Broker with a channel in memory, or Kafka without access to it.
    Unknown,
    /// The consumers of the broker on this machine.
    Local {
        /// To ask it with.
        client: reqwest::Client,
        /// Where it says how far they are.
        url: reqwest::Url,
        /// Kafka beside it, in topic mode.
        kafka: Option<KafkaQueues>,
    },
    /// Kafka.
    Kafka(KafkaQueues),
}

/// The topics of Kafka that payloads wait in.
#[derive(Debug, Clone)]
pub struct KafkaQueues {
    /// How Kafka is reached.
    pub settings: KafkaSettings,
    /// The groups of the Triggers that deliver payloads.
    pub triggers: Vec<TopicGroup>,
    /// The topic that the worker reads.
    pub topic: Option<String>,
    /// The group that drains the topic of dead letters.
    pub dead_letters: Option<TopicGroup>,
}

/// Why the queues could not be looked at.
#[derive(Debug, Error)]
pub(crate) enum LookError {
    #[error(transparent)]
    Kafka(#[from] MetadataError),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Queues {
    /// Reads the variables that the README lists; mistakes are noted in `env`, and then there are none.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let kafka = KafkaQueues::from_env(env)?;
        if env.text("BROKER_POSITIONS_URL").is_none() {
            return Some(kafka.map_or(Self::Unknown, Self::Kafka));
        }
        let url = env.http_url("BROKER_POSITIONS_URL")?;
        match runtime::http_client(&runtime::ClientOptions::default()) {
            Ok(client) => Some(Self::Local { client, url, kafka }),
            Err(error) => {
                env.mistake("BROKER_POSITIONS_URL", error.to_string());
                None
            }
        }
    }

    /// The topic that the worker reads, in topic mode.
    pub(crate) fn topic(&self) -> Option<&str> {
        match self {
            Self::Unknown => None,
            Self::Local { kafka, .. } => kafka.as_ref()?.topic.as_deref(),
            Self::Kafka(queues) => queues.topic.as_deref(),
        }
    }

    /// Looks at them, and at the topics of the sources `read`.
    pub(crate) async fn look(&self, database: &Database, read: &[String]) -> Result<Look, LookError> {
        let mut look = match self {
            Self::Unknown => Look::default(),
            Self::Local { client, url, kafka } => {
                let caught_up = match kafka {
                    Some(kafka) => kafka.caught_up(database).await?,
                    None => None,
                };
                Look { caught_up, ..look_locally(client, url).await? }
            }
            Self::Kafka(queues) => queues.look(database).await?,
        };
        if !read.is_empty() {
            let client = database.client().await?;
            let slowest = topic_offsets::slowest_of_sources(&client, read).await.map_err(StoreError::from)?;
            look.caught_up = look.caught_up.into_iter().chain(slowest).min();
        }
        Ok(look)
    }
}

/// `KAFKA_PAYLOAD_GROUPS`: `TOPIC:GROUP`, several with commas between them.
fn groups(env: &mut Env) -> Vec<TopicGroup> {
    let text = env.text("KAFKA_PAYLOAD_GROUPS").unwrap_or_default();
    let mut groups = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(group) => groups.push(group),
            Err(reason) => env.mistake("KAFKA_PAYLOAD_GROUPS", reason),
        }
    }
    groups
}

/// Waits a little for the consumers to read over what was there at the first look: the tick itself is among it.
async fn look_locally(client: &reqwest::Client, url: &reqwest::Url) -> Result<Look, LookError> {
    let begun = Instant::now();
    let first = local::look(client, url).await?;
    let mut look = first.clone();
    while !look.payloads.has_passed(&first.payloads.ends) && begun.elapsed() < LOCAL_WAIT {
        tokio::time::sleep(LOCAL_POLL).await;
        look = local::look(client, url).await?;
    }
    look.payloads.ends = first.payloads.ends;
    Ok(look)
}

impl KafkaQueues {
    /// Those that the environment names, where it names any; `None` where it is mistaken, which is noted in `env`.
    fn from_env(env: &mut Env) -> Option<Option<Self>> {
        let triggers = groups(env);
        let topic = env.text("KAFKA_TOPIC");
        let dead_letters = env.text("KAFKA_DEAD_LETTER_TOPIC").map(|topic| TopicGroup {
            topic,
            group: env.text_or("KAFKA_DEAD_LETTER_GROUP", "freshet-dead-letter"),
        });
        if triggers.is_empty() && topic.is_none() && dead_letters.is_none() {
            return Some(None);
        }
        let settings = KafkaSettings::from_env(env)?;
        Some(Some(Self { settings, triggers, topic, dead_letters }))
    }

    /// Up to when the worker has caught up with every partition.
    async fn caught_up(&self, database: &Database) -> Result<Option<Timestamp>, LookError> {
        let Some(topic) = &self.topic else { return Ok(None) };
        let partitions = kafka::partitions(self.settings.clone(), topic.clone()).await?;
        let client = database.client().await?;
        let slowest = topic_offsets::slowest(&client, &Topic::own(topic.as_str()), &partitions).await;
        Ok(Some(slowest.map_err(StoreError::from)?.unwrap_or(Timestamp::MIN)))
    }

    async fn look(&self, database: &Database) -> Result<Look, LookError> {
        let caught_up = self.caught_up(database).await?;
        let payloads = self.queue(&self.triggers).await?;
        // After the payloads, and its end after what was done with: see `Look::dead_letters`.
        let dead_letters = self.queue(self.dead_letters.as_slice()).await?;
        let to_drain = dead_letters.waiting();
        Ok(Look { payloads, caught_up, dead_letters, to_drain })
    }

    async fn queue(&self, groups: &[TopicGroup]) -> Result<Queue, MetadataError> {
        let mut queue = Queue::default();
        if groups.is_empty() {
            return Ok(queue);
        }
        let positions = kafka::positions(self.settings.clone(), groups.to_vec()).await?;
        for (group, partitions) in groups.iter().zip(positions) {
            for one in partitions {
                let place = format!("{group}/{}", one.partition);
                queue.ends.insert(place.clone(), one.end);
                queue.done.insert(place, one.next);
            }
        }
        Ok(queue)
    }
}
