//! Slack's incoming webhook.

use settings::{Fields, Object, Shape};

use super::bound::{FOR_PEOPLE, bound};
use crate::secret::{Reference, SecretRef};

pub(super) const KIND: &str = "slack";
pub(super) const TEXT: &str = "Slack's incoming webhook.";

/// Slack's incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slack {
    /// The webhook's address, which is the secret.
    pub url: SecretRef,
    /// The most alerts that begin here within an hour ([`super::bound`]).
    pub max_per_hour: u32,
}

pub(super) fn shape() -> impl Shape<Value = Slack> {
    Object::new("Slack", TEXT, |fields: &Fields<'_>| {
        let url = fields.required("url", "Its address, which is secret.", Reference);
        let max_per_hour = bound(fields, FOR_PEOPLE);
        Some(Slack { url: url?, max_per_hour })
    })
}
