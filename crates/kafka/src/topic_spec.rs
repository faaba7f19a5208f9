//! What a topic is made with.

/// A topic that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions, where it is made.
    pub partitions: i32,
    /// How many brokers keep each, where it is made.
    pub replication: i32,
}
