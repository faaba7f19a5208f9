use serde::{Deserialize, Serialize};

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

impl DeadLetterCause {
    /// The word that the table keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Malformed => "malformed",
        }
    }

    /// The cause of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Rejected, Self::Unavailable, Self::Malformed].into_iter().find(|cause| cause.as_str() == name)
    }
}
