#![doc = include_str!("../README.md")]

mod admin;
mod consumer;
mod drain;
mod either;
mod lag;
mod log;
mod producer;
mod reader;
mod record;
mod settings;

pub use admin::{AdminError, TopicSpec, create_missing_topics};
pub use drain::{Drain, DrainError};
pub use either::EitherSink;
pub use lag::{MetadataError, PartitionPosition, TopicGroup, lags, missing_topics, partitions, positions};
pub use log::{Logged, is_absence};
pub use producer::{KafkaSink, producer_config};
pub use reader::{BatchId, Handle, Progress, Reader, ReaderConfig, Shared};
pub use record::{NoEvent, Record};
pub use settings::KafkaSettings;
