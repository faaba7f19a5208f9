#![doc = include_str!("../README.md")]

mod either;
mod record;
mod topic_group;
mod topic_spec;

// Tested beside the client, since tests of the workspace are built with it.
#[cfg(any(test, not(feature = "client")))]
#[cfg_attr(feature = "client", allow(dead_code, unreachable_pub, reason = "only its tests are wanted here"))]
mod absent;
#[cfg(feature = "client")]
mod admin;
#[cfg(feature = "client")]
mod consumer;
#[cfg(feature = "client")]
mod drain;
#[cfg(feature = "client")]
mod fingerprints;
#[cfg(feature = "client")]
mod group_start;
#[cfg(feature = "client")]
mod lag;
#[cfg(feature = "client")]
mod log;
#[cfg(feature = "client")]
mod look;
#[cfg(feature = "client")]
mod look_up;
#[cfg(feature = "client")]
mod message;
#[cfg(feature = "client")]
mod newest;
#[cfg(feature = "client")]
mod producer;
#[cfg(feature = "client")]
mod reader;
#[cfg(feature = "client")]
mod settings;
#[cfg(feature = "client")]
mod topics;

pub use either::EitherSink;
pub use record::{Content, KeptRecords, NoEvent, PlainRecord, Record, RecordForm, RecordRange};
pub use topic_group::{PartitionPosition, TopicGroup};
pub use topic_spec::TopicSpec;

#[cfg(not(feature = "client"))]
pub use absent::{
    AdminError, Drain, DrainError, KafkaSettings, KafkaSink, MetadataError, begin_at_start,
    create_missing_topics, missing_topics, newest, partitions, places_since, positions, records, topics,
};
#[cfg(feature = "client")]
pub use admin::{AdminError, create_missing_topics};
#[cfg(feature = "client")]
pub use drain::{Drain, DrainError};
#[cfg(feature = "client")]
pub use fingerprints::fingerprints;
#[cfg(feature = "client")]
pub use group_start::begin_at_start;
#[cfg(feature = "client")]
pub use lag::{MetadataError, partitions, places_since, positions};
#[cfg(feature = "client")]
pub use log::{Logged, is_absence};
#[cfg(feature = "client")]
pub use look_up::records;
#[cfg(feature = "client")]
pub use newest::newest;
#[cfg(feature = "client")]
pub use producer::{KafkaSink, producer_config};
#[cfg(feature = "client")]
pub use reader::{
    Batch, BatchId, Handle, Ledger, Look, Offered, Owned, Progress, Reader, ReaderConfig, ReaderMemory,
    Shared, Span, TakeError,
};
#[cfg(feature = "client")]
pub use settings::KafkaSettings;
#[cfg(feature = "client")]
pub use topics::{PartitionEnd, ends, gone_topics, missing_topics, topics};
