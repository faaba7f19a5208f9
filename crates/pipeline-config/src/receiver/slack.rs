//! Slack's incoming webhook.

use settings::{Fields, Object, Shape};

use crate::secret::{Reference, SecretRef};

pub(super) const KIND: &str = "slack";
pub(super) const TEXT: &str = "Slack's incoming webhook.";

/// Slack's incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// The webhook's address, which is the secret.
    pub url: SecretRef,
}

pub(super) fn shape() -> impl Shape<Value = Slack> {
    Object::new("Slack", TEXT, |fields: &Fields<'_>| {
        fields.required("url", "Its address, which is secret.", Reference).map(|url| Slack { url })
    })
}
