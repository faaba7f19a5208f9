use std::sync::Arc;

/// A Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}
