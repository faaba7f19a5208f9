//! How the queues of payloads stand.

use jiff::Timestamp;
use store::heartbeats::Offsets;

/// How a queue stands: offsets by consumer and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Where it ends.
    pub(crate) ends: Offsets,
    /// Below what everything is done with.
    pub(crate) done: Offsets,
}

/// One look at all queues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// What Triggers deliver.
    pub(crate) payloads: Queue,
    /// What the worker reads: up to when every partition was caught up with; `None` where there is no such topic.
    pub(crate) caught_up: Option<Timestamp>,
    /// The topic of dead letters, looked at after the payloads: what could not be delivered is there then.
    pub(crate) dead_letters: Queue,
    /// Records of that topic which `dead-letter` is to be woken for.
    pub(crate) to_drain: u64,
}

impl Queue {
    /// Whether everything below `ends` is done with. A partition that is not known any more holds up nothing.
    pub(crate) fn has_passed(&self, ends: &Offsets) -> bool {
        ends.iter().all(|(place, end)| self.done.get(place).is_none_or(|done| done >= end))
    }

    /// How much is not done with.
    pub(crate) fn waiting(&self) -> u64 {
        let waiting = |(place, end): (&String, &i64)| {
            u64::try_from(end - self.done.get(place).unwrap_or(end)).unwrap_or_default()
        };
        self.ends.iter().map(waiting).sum()
    }
}
