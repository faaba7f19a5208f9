//! Kafka, spoken directly: settings, the producer, and topics.

mod admin;
mod log;
mod producer;
mod settings;

pub use admin::{AdminError, TopicSpec, create_missing_topics};
pub use log::{Logged, is_absence};
pub use producer::{KafkaSink, producer_config};
pub use settings::KafkaSettings;
