use std::sync::Arc;

/// A Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// Its topic.
    pub topic: Arc<str>,
    /// Which topic of this name, counted from 1: one that was deleted may be made anew.
    pub incarnation: i32,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}
