//! Strict mode: breaches of the contract that a cluster would punish late or in silence are recorded here; without the
//! feature `simulation` none is.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// One breach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The Service, Trigger or `ingress` that it was seen at.
    pub at: String,
    /// Which rule.
    pub rule: Rule,
    /// What was seen.
    pub detail: String,
}

/// What a subscriber must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A 2xx answer is empty or one CloudEvent.
    AnswerIsEmptyOrEvent,
    /// A reply has another type than what it answers, or it would loop.
    ReplyChangesType,
    /// A reply to an event with a `partitionkey` has one.
    ReplyKeepsPartitionKey,
    /// A reply carries no `knative*` attribute of the event before it.
    ReplyDropsKnativeAttributes,
    /// Attribute values are printable ASCII without space, `"` and `%`.
    AttributesAreSafe,
    /// 404, 408 and 409 are never an answer: they are retried.
    StatusIsDefinite,
    /// A process listens in time.
    ListensInTime,
    /// A process ends after SIGTERM, with code 0.
    EndsOnSigterm,
    /// A dead letter sink keeps every event that it is given.
    NothingIsLost,
}

/// The list of breaches.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<Vec<Violation>>);

/// A stage that breaks the contract does so for each event; a test needs only the first ones.
const LIMIT: usize = 1000;

impl Violations {
    pub(crate) fn add(&self, at: &str, rule: Rule, detail: impl Into<String>) {
        if !cfg!(feature = "simulation") {
            return;
        }
        let violation = Violation { at: at.to_owned(), rule, detail: detail.into() };
        tracing::warn!(at, rule = ?rule, detail = violation.detail, "the Knative contract is broken");
        let mut list = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if list.len() < LIMIT {
            list.push(violation);
        }
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn all(&self) -> Vec<Violation> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
