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
