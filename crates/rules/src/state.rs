//! Where an alert stands.
//!
//! ```text
//!            breach, no `for`
//!       +--------------------------+
//!       |                          v
//!  +----+---+  breach   +---------+   `for` over   +--------+
//!  |   ok   +---------->| pending +--------------->| firing |
//!  +--------+           +----+----+                +----+---+
//!       ^   cleared          |                          |
//!       +--------------------+       cleared            |
//!       +-----------------------------------------------+
//! ```
//!
//! `absent` has no pending: it goes from ok to firing when the silence is too long, and back at the next reading.

use event_model::alert::AlertStatus;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The three states of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not in breach.
    #[default]
    Ok,
    /// In breach since `since`, but not yet for the rule's hold time.
    Pending {
        /// The first reading of the breach.
        since: Timestamp,
    },
    /// Firing since `since`, which is the time of its transition.
    Firing {
        /// The time of the transition.
        since: Timestamp,
    },
}

impl Status {
    /// The status without its time.
    pub const fn alert_status(self) -> AlertStatus {
        match self {
            Self::Ok => AlertStatus::Ok,
            Self::Pending { .. } => AlertStatus::Pending,
            Self::Firing { .. } => AlertStatus::Firing,
        }
    }

    /// The status with its time; ok where it has none.
    pub const fn new(status: AlertStatus, since: Option<Timestamp>) -> Self {
        match (status, since) {
            (AlertStatus::Pending, Some(since)) => Self::Pending { since },
            (AlertStatus::Firing, Some(since)) => Self::Firing { since },
            _ => Self::Ok,
        }
    }

    /// Since when, where it is not ok.
    pub const fn since(self) -> Option<Timestamp> {
        match self {
            Self::Ok => None,
            Self::Pending { since } | Self::Firing { since } => Some(since),
        }
    }

    /// Whether the alert fires.
    pub const fn is_firing(self) -> bool {
        matches!(self, Self::Firing { .. })
    }
}

/// All that evaluation has to remember of the readings so far.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// Where the alert stands.
    pub status: Status,
    /// The time of the newest reading that was looked at: where its silence starts, and what a rate of change compares with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Timestamp>,
    /// That reading's value; always finite, since JSON has no other numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_value: Option<f64>,
    /// What the condition looked at last: the value, or the rate of change; always finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
}

/// The state at a moment that no later reading may change any more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkpoint {
    /// The moment; readings at or before it change nothing.
    pub at: Timestamp,
    /// The state there, all readings up to and with `at` applied.
    pub state: State,
}

#[cfg(test)]
mod tests {
    use super::{State, Status};

    #[test]
    fn a_state_is_read_back_as_it_was_written() {
        let at = "2026-03-01T10:00:00.000001Z".parse().unwrap();
        for status in [Status::Ok, Status::Pending { since: at }, Status::Firing { since: at }] {
            let state = State { status, last_at: Some(at), last_value: Some(0.1 + 0.2), measured: None };
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state, "{json}");
        }
    }

    #[test]
    fn an_empty_object_with_a_status_is_a_state() {
        assert_eq!(serde_json::from_str::<State>(r#"{"status":"ok"}"#).unwrap(), State::default());
    }
}
