//! What becomes of an accepted request before it is answered.

use jiff::Timestamp;
use sink::Sink;

use crate::direct::Direct;

/// Where accepted requests go.
#[derive(Debug, Clone)]
pub enum HandOver<S> {
    /// Into a queue: the Broker, or a topic.
    Queue(S),
    /// Into the database.
    Direct(Direct<S>),
}

impl<S: Sink + Clone + 'static> HandOver<S> {
    /// The same for the current thread, which serves requests.
    pub(crate) fn on_this_thread(&self) -> Self {
        match self {
            Self::Queue(sink) => Self::Queue(sink.clone()),
            Self::Direct(direct) => Self::Direct(direct.on_this_thread()),
        }
    }

    /// Notes that a payload was refused at this time, where that is to be known: in direct mode.
    pub(crate) fn note_refusal(&self, at: Timestamp) {
        if let Self::Direct(direct) = self {
            direct.note_refusal(at);
        }
    }
}
