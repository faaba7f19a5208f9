//! The hash that says whose state a row in the database is.

use event_model::hex;
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
        let text =
            serde_json::to_vec(&essence).expect("texts, numbers and maps with text keys are always JSON");
        hex(&Sha256::digest(text)[..16])
    }
}

#[cfg(test)]
mod tests {
    use event_model::Severity;
    use jiff::SignedDuration;

    use event_model::Glob;

    use crate::rule::{Condition, Rule, Selector};

    #[test]
    fn the_hash_follows_what_evaluation_depends_on_and_nothing_else() {
        let rule = Rule {
            name: "TooHot".into(),
            metric: "temperature".into(),
            selector: Selector::default(),
            condition: Condition::Above { threshold: 30.0, clear: 28.0 },
            hold: SignedDuration::ZERO,
            severity: Severity::Warning,
            labels: [].into(),
            annotations: [].into(),
        };
        let louder = Rule { severity: Severity::Critical, ..rule.clone() };
        assert_eq!(rule.hash(), louder.hash());
        let longer = Rule { hold: SignedDuration::from_secs(1), ..rule.clone() };
        let narrower = Rule {
            selector: Selector { device: Some(Glob("a".into())), ..Selector::default() },
            ..rule.clone()
        };
        for other in [longer, narrower] {
            assert_ne!(rule.hash(), other.hash());
        }
    }
}
