#![doc = include_str!("../README.md")]

mod admin;
mod consumer;
mod either;
mod lag;
mod log;
mod producer;
mod settings;

pub use admin::{AdminError, TopicSpec, create_missing_topics};
pub use consumer::member_config;
pub use either::EitherSink;
pub use lag::{MetadataError, PartitionPosition, TopicGroup, lags, missing_topics, partitions, positions};
pub use log::{Logged, is_absence};
pub use producer::{KafkaSink, producer_config};
pub use settings::KafkaSettings;
