//! Which private addresses notifications may go to.

mod public;

use std::net::IpAddr;

use ipnet::IpNet;
use settings::{Fields, List, Object, Parsed, Shape};

pub use public::{is_private_name, is_public, reached};

/// Exceptions from the refusal of private, loopback, link-local and metadata addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// What is allowed beside public addresses.
    pub allow: Vec<Allowed>,
}

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Every address of this range.
    Range(IpNet),
    /// This host name (lower case), wherever it resolves to.
    Host(String),
}

impl Network {
    /// Whether the list names this address, or the IPv4 address that it stands for.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let address = reached(address);
        self.allow.iter().any(|allowed| matches!(allowed, Allowed::Range(range) if range.contains(&address)))
    }

    /// Whether the list names this host.
    pub fn allows_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.allow
            .iter()
            .any(|allowed| matches!(allowed, Allowed::Host(name) if name.eq_ignore_ascii_case(host)))
    }
}

/// `network`.
pub(crate) fn shape() -> impl Shape<Value = Network> {
    Object::new("Network", "Private addresses that notifications may go to.", |fields: &Fields<'_>| {
        let allow = fields.required(
            "allow",
            "Ranges (`10.0.0.0/8`), addresses and host names.",
            List(Parsed::new(allowed)),
        );
        allow.map(|allow| Network { allow })
    })
}

fn allowed(text: &str) -> Result<Allowed, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = address.parse::<IpAddr>() {
        return Ok(Allowed::Range(IpNet::from(address)));
    }
    if let Ok(range) = text.parse::<IpNet>() {
        if range.network() == range.addr() {
            return Ok(Allowed::Range(range));
        }
        return Err(format!("`{text}` has bits beyond its prefix; did you mean `{}`?", range.trunc()));
    }
    if is_host(text) {
        return Ok(Allowed::Host(text.to_ascii_lowercase()));
    }
    Err("expected a range of addresses (`10.0.0.0/8`), an address or a host name, without scheme and port"
        .into())
}

/// A host name (RFC 1123), whose last label is not a number.
pub(crate) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_name = text.rsplit('.').next().is_some_and(|last| !last.chars().all(|c| c.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && last_is_name
}
