//! An ntfy topic.

use settings::{Fields, Object, Shape, Text};

use super::address::address;
use super::bound::{FOR_PEOPLE, bound};
use crate::network::Network;
use crate::secret::{OrSecret, Reference, SecretRef, Setting};

pub(super) const KIND: &str = "ntfy";
pub(super) const TEXT: &str = "An ntfy topic.";
/// The public server.
const PUBLIC: &str = "https://ntfy.sh";

/// An ntfy topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// The server's base address; `https://ntfy.sh` by default.
    pub url: String,
    /// The topic; who knows it can read and write, unless the server says otherwise.
    pub topic: Setting,
    /// An access token.
    pub token: Option<SecretRef>,
    /// The most alerts that begin here within an hour ([`super::bound`]).
    pub max_per_hour: u32,
}

pub(super) fn shape(network: &Network) -> impl Shape<Value = Ntfy> {
    Object::new("Ntfy", TEXT, |fields: &Fields<'_>| {
        let url = fields.or("url", "The server's base address.", address(network), PUBLIC.to_owned());
        let topic = fields.required("topic", "The topic.", OrSecret(Text));
        let token = fields.optional("token", "An access token.", Reference);
        let max_per_hour = bound(fields, FOR_PEOPLE);
        Some(Ntfy { url, topic: topic?, token, max_per_hour })
    })
}
