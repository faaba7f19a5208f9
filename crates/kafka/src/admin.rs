//! Topics that are not there are made.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use thiserror::Error;

use crate::{KafkaSettings, Logged, TopicSpec};

/// For the cluster to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Why topics could not be made.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Kafka was not reached, or did not answer.
    #[error("Kafka cannot be asked to make topics")]
    Unreachable(#[source] KafkaError),
    /// Kafka does not make this topic.
    #[error("Kafka does not make the topic {topic}: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// Kafka's reason, such as `InvalidReplicationFactor`.
        reason: RDKafkaErrorCode,
    },
}

/// Makes those of `topics` that are not there, and gives their names. One that is there stays as it is, whatever its
/// partitions and its retention.
///
/// # Errors
/// [`AdminError`]; topics that were made before it stay.
pub async fn create_missing_topics(
    settings: &KafkaSettings,
    topics: &[TopicSpec],
) -> Result<Vec<String>, AdminError> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let admin: AdminClient<Logged> =
        settings.client_config().create_with_context(Logged).map_err(AdminError::Unreachable)?;
    let millis = |topic: &TopicSpec| topic.retention.map(|retention| retention.as_millis().to_string());
    let retentions: Vec<Option<String>> = topics.iter().map(millis).collect();
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&retentions)
        .map(|(topic, retention)| new_topic(topic, retention.as_deref()))
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
    let answers = admin.create_topics(&wanted, &options).await.map_err(AdminError::Unreachable)?;
    let mut made = Vec::new();
    for answer in answers {
        match answer {
            Ok(topic) => made.push(topic),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, reason)) => return Err(AdminError::Refused { topic, reason }),
        }
    }
    Ok(made)
}

/// `retention` in milliseconds.
fn new_topic<'a>(topic: &'a TopicSpec, retention: Option<&'a str>) -> NewTopic<'a> {
    let topic = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(topic.replication));
    match retention {
        Some(retention) => topic.set("retention.ms", retention),
        None => topic,
    }
}
