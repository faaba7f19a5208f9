//! The hash that says whose state a row in the database is.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::rule::{Condition, Rule, Selector};

/// What evaluation depends on. What an alert says (severity, labels, annotations) is not part of it.
#[derive(Serialize)]
struct Essence<'a> {
    metric: &'a str,
    selector: &'a Selector,
    condition: &'a Condition,
    hold: String,
}

impl Rule {
    /// The hash of all that evaluation depends on; state that was made under another is not this rule's.
    pub fn hash(&self) -> String {
        let essence = Essence {
            metric: &self.metric,
            selector: &self.selector,
            condition: &self.condition,
            hold: self.hold.to_string(),
        };
        let text = serde_json::to_vec(&essence).expect("texts, numbers and maps with text keys are always JSON");
        Sha256::digest(text).iter().take(16).fold(String::with_capacity(32), |mut hash, byte| {
            // Writing into a String cannot fail.
            let _ = write!(hash, "{byte:02x}");
            hash
        })
    }
}
