//! What becomes of an accepted request before it is answered.

use std::sync::Arc;

use crate::direct::Direct;

/// Where accepted requests go.
#[derive(Debug, Clone)]
pub enum HandOver<S> {
    /// Into a queue: the Broker, or a topic.
    Queue(S),
    /// Into the database.
    Direct(Arc<Direct<S>>),
}
