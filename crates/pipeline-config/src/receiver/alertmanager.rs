//! An Alertmanager.

use settings::{Fields, Object, OneOrMany, Shape};

use super::address::address;
use crate::network::Network;
use crate::secret::{Login, OrSecret, Reference, SecretRef, Setting, login};

pub(super) const KIND: &str = "alertmanager";
pub(super) const TEXT: &str = "Alertmanager's API v2.";

/// An Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// The base address of each replica, without `/api/v2`; at least one. Every one is sent all alerts, never a load
    /// balancer before them (`url` in the file: one text, or a list).
    pub urls: Vec<Setting>,
    /// How to log in there; `None`: not at all.
    pub authorization: Option<Authorization>,
}

/// How Freshet shows who it is to an Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// `Authorization: Bearer`.
    Bearer(SecretRef),
    /// `Authorization: Basic`.
    Basic(Login),
}

pub(super) fn shape(network: &Network) -> impl Shape<Value = Alertmanager> {
    Object::new("Alertmanager", "An Alertmanager, or all replicas of one.", |fields: &Fields<'_>| {
        let urls = fields.required(
            "url",
            "The base address of each replica, without `/api/v2`.",
            OneOrMany(OrSecret(address(network))),
        );
        let bearer = fields.optional("bearer", "A token for `Authorization: Bearer`.", Reference);
        let basic = fields.optional("basic", "User and password for `Authorization: Basic`.", login());
        if fields.has("bearer") && fields.has("basic") {
            fields.report.mistake(fields.place_of("basic"), "expected one of `bearer` and `basic`, not both");
        }
        let authorization = bearer.map(Authorization::Bearer).or(basic.map(Authorization::Basic));
        Some(Alertmanager { urls: urls?, authorization })
    })
}
