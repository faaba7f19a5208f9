//! What a webhook says around an event's data.
//!
//! Sources: Particle documentation, "Webhook reference" (default data, `PARTICLE_*` variables). The names of a user's own
//! template are the user's; those are read that the documentation's examples have.

use crate::json::{Node, Object};
use crate::names;

/// What a field of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Device,
    Name,
    Time,
    Id,
    /// About the event, the webhook or the product, and no measurement.
    About,
}

/// The fields' names as [`names::squeeze`] writes them; of one role the first that is present wins.
const ROLES: [(&str, Role); 34] = [
    ("coreid", Role::Device),
    ("particledeviceid", Role::Device),
    ("deviceid", Role::Device),
    ("device", Role::Device),
    ("event", Role::Name),
    ("eventname", Role::Name),
    ("particleeventname", Role::Name),
    ("publishedat", Role::Time),
    ("particlepublishedat", Role::Time),
    ("sparkpublishedat", Role::Time),
    ("createdat", Role::Time),
    ("timestamp", Role::Time),
    ("time", Role::Time),
    ("eventid", Role::Id),
    ("particleeventid", Role::Id),
    ("fwversion", Role::About),
    ("firmwareversion", Role::About),
    ("productid", Role::About),
    ("productuserid", Role::About),
    ("productversion", Role::About),
    ("userid", Role::About),
    ("public", Role::About),
    ("private", Role::About),
    ("ttl", Role::About),
    ("version", Role::About),
    ("name", Role::About),
    ("devicename", Role::About),
    ("measurement", Role::About),
    ("requesttype", Role::About),
    ("webhookid", Role::About),
    ("hookid", Role::About),
    ("accesstoken", Role::About),
    ("apikey", Role::About),
    ("nodefaults", Role::About),
];

/// The longest name that has a role.
const MAX_KEY: usize = 40;

/// The place of a field's name among those with a role.
fn rank(key: &str) -> Option<usize> {
    if key.len() > MAX_KEY {
        return None;
    }
    ROLES.iter().position(|(name, _)| names::squeezes_to(key, name))
}

/// Whether a field of an event is no value of a user's own.
pub(super) fn is_envelope(key: &str) -> bool {
    key == DATA || rank(key).is_some()
}

/// The field with the event's data.
pub(super) const DATA: &str = "data";

/// One event.
pub(super) struct Envelope<'b> {
    pub(super) device: Option<&'b str>,
    pub(super) name: Option<&'b str>,
    pub(super) time: Option<&'b Node>,
    /// The cloud's id of the event, where the template has it.
    pub(super) id: Option<&'b str>,
    pub(super) data: Option<&'b Node>,
    /// All of it.
    pub(super) fields: &'b Object,
}

impl<'b> Envelope<'b> {
    /// An event; what it does not say itself is looked for in the address.
    pub(super) fn of(fields: &'b Object, query: Option<&'b Object>) -> Self {
        let (own, others) = (roles(fields), query.map(roles).unwrap_or_default());
        let of = |role: Role| own[role as usize].or(others[role as usize]).map(|(_, node)| node);
        let text = |role| of(role).and_then(Node::as_name);
        let data = fields.get(DATA).map(|member| &member.node);
        Self {
            device: text(Role::Device),
            name: text(Role::Name),
            time: of(Role::Time),
            id: text(Role::Id).filter(|id| !id.contains(char::is_whitespace)),
            data,
            fields,
        }
    }
}

/// The field of each role that comes first in [`ROLES`], but for empty ones: what a template's variable does not know is empty.
fn roles(fields: &Object) -> [Option<(usize, &Node)>; 5] {
    let mut found: [Option<(usize, &Node)>; 5] = [None; 5];
    for (key, member) in fields {
        let Some(rank) = rank(key) else { continue };
        let is_empty = member.node.as_name().is_none_or(|text| text.trim().is_empty());
        let first = &mut found[ROLES[rank].1 as usize];
        if !is_empty && first.is_none_or(|(best, _)| rank < best) {
            *first = Some((rank, &member.node));
        }
    }
    found
}
