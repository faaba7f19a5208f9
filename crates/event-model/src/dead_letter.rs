use serde::{Deserialize, Serialize};

use crate::word::words;

/// Why an event was dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadLetterCause {
    /// Its content makes no sense; it waits for a person.
    Rejected,
    /// Something else was not there in time; it is sent back by itself.
    Unavailable,
    /// It is no event that the stage can read.
    Malformed,
}

words!(DeadLetterCause, "cause of a dead letter", {
    Rejected = "rejected",
    Unavailable = "unavailable",
    Malformed = "malformed"
});

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterState {
    /// It waits: for its time, or for a person.
    Open,
    /// It is on its way again.
    SentBack,
    /// Its payload is stored; or it holds none, and was sent.
    Resolved,
    /// A person has decided to lose it.
    Discarded,
}

words!(DeadLetterState, "state of a dead letter", {
    Open = "open",
    SentBack = "sent_back",
    Resolved = "resolved",
    Discarded = "discarded"
});
