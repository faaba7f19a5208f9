//! Which private addresses notifications may go to.

use std::net::IpAddr;

use ipnet::IpNet;

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
    /// Whether the list names this address.
    pub fn allows_address(&self, address: IpAddr) -> bool {
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
