//! The dead letter sink as a Kafka topic: durable while the database is away, drained where `scheduler` sees records in it.

use cloudevents::AttributesReader as _;
use event_model::event_types::is_hint;
use jiff::Timestamp;
use kafka::{Content, Drain, DrainError, KafkaSettings, Record, TopicGroup};
use runtime::{Deadline, Env};
use store::dead_letters::{Cause, DeadEvent, DeadLetter};
use store::{RecordPlace, Topic};

use crate::dead_letter::dead_letter;

/// Which topic, and as whom it is read.
#[derive(Debug, Clone)]
pub struct DeadLetterTopic {
    group: TopicGroup,
    kafka: KafkaSettings,
}

impl DeadLetterTopic {
    /// What `KAFKA_DEAD_LETTER_TOPIC` and `KAFKA_DEAD_LETTER_GROUP` name; `None` where no topic is named. Mistakes are
    /// noted in `env`.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let topic = env.text("KAFKA_DEAD_LETTER_TOPIC")?;
        let group = env.text_or("KAFKA_DEAD_LETTER_GROUP", "freshet-dead-letter");
        Some(Self { group: TopicGroup { topic, group }, kafka: KafkaSettings::from_env(env)? })
    }

    /// Begins where the group has come to. Reading ends at what is there now, or at `deadline`.
    ///
    /// # Errors
    /// [`DrainError`].
    pub async fn open(&self, deadline: Deadline) -> Result<Drain, DrainError> {
        Drain::open(&self.kafka, &self.group, deadline).await
    }
}

/// The dead letter of a record. Hints are none: the next tick says the same.
pub(crate) fn dead_letter_of(record: Record, now: Timestamp) -> Option<DeadLetter> {
    let Record { topic, partition, offset, published_at, content, .. } = record;
    let at = published_at.unwrap_or(now).min(now);
    match content {
        Content::Event(event) if is_hint(event.ty()) => None,
        Content::Event(event) => Some(dead_letter(&event, at)),
        // Its records are read as events.
        Content::Plain(_) => None,
        Content::NoEvent(none) => {
            let topic = Topic::own(topic);
            let place = RecordPlace { topic, incarnation: 1, partition, offset };
            let headers: Vec<_> =
                none.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            Some(DeadLetter {
                event: DeadEvent::of_record(&place, &headers, none.value.as_deref()),
                stage: "unknown".to_owned(),
                cause: Cause::Malformed,
                reason: none.reason,
                problems: Vec::new(),
                at,
            })
        }
    }
}
