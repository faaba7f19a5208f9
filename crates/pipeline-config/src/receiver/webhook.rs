//! A signed webhook.

use settings::{Fields, Object, OneOrMany, Shape};

use super::address::address;
use super::bound::{FOR_PROGRAMS, bound};
use crate::network::Network;
use crate::secret::{OrSecret, Reference, SecretRef, Setting};

pub(super) const KIND: &str = "webhook";
pub(super) const TEXT: &str = "A POST of JSON, signed after Standard Webhooks.";

/// A signed webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to post; `http` or `https`.
    pub url: Setting,
    /// The signing secrets (`whsec_` and Base64); each gives one signature, so that a secret can be changed over.
    /// Empty: not signed.
    pub secrets: Vec<SecretRef>,
    /// The most alerts that begin here within an hour ([`super::bound`]).
    pub max_per_hour: u32,
}

pub(super) fn shape(network: &Network) -> impl Shape<Value = Webhook> {
    Object::new("Webhook", "A signed webhook.", |fields: &Fields<'_>| {
        let url = fields.required("url", "Where to post.", OrSecret(address(network)));
        let secrets = fields.optional(
            "secret",
            "The signing secret, `whsec_` and Base64; several while it is changed over.",
            OneOrMany(Reference),
        );
        if !fields.has("secret") {
            let text = "the webhook is not signed: its receiver cannot tell who sent it";
            fields.report.warn(fields.place, text);
        }
        let max_per_hour = bound(fields, FOR_PROGRAMS);
        Some(Webhook { url: url?, secrets: secrets.unwrap_or_default(), max_per_hour })
    })
}
