//! What a topic is made with.

use std::time::Duration;

/// A topic that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions, where it is made.
    pub partitions: i32,
    /// How many brokers keep each, where it is made.
    pub replication: i32,
    /// How long it keeps a record, where it is made; `None`: as long as the cluster has it for every topic.
    pub retention: Option<Duration>,
}
