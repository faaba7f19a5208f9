//! Where notifications may go: public addresses, and what the pipeline file allows beside them.
//!
//! A name is resolved once, every address that it has is judged, and the connection goes to a judged address only,
//! so that a name which changes its mind between the check and the connection gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::{Ipv4Net, Ipv6Net};
use pipeline_config::Network;
use thiserror::Error;

/// How long a name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// IPv4 ranges that are no public unicast (IANA's special-purpose registry), and Azure's host agent, which is public
/// by number only.
const NOT_PUBLIC_V4: [Ipv4Net; 17] = [
    Ipv4Net::new_assert(Ipv4Addr::new(0, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(168, 63, 129, 16), 32),
    Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 0, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 0, 2, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 88, 99, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 51, 100, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(203, 0, 113, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4),
    Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32),
];

/// IPv6 global unicast. Unique local, link-local (metadata services among them) and multicast lie outside.
const GLOBAL_UNICAST_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// What is special within it: protocol assignments with Teredo, documentation, 6to4.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    Ipv6Net::new_assert(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];
/// NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is reached.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// Names that are only ever private, whatever they resolve to.
const PRIVATE_NAMES: [&str; 5] = ["localhost", "local", "internal", "svc", "cluster.local"];

/// Why no connection is made.
#[derive(Debug, Error)]
pub enum AddressError {
    /// The host is, or resolves to, an address that is not public and not allowed.
    #[error("{0} is not a public address, and `network.allow` does not name it")]
    NotAllowed(String),
    /// The host's name cannot be resolved.
    #[error("the name {host} cannot be resolved")]
    Lookup {
        /// The name.
        host: String,
        /// Why.
        source: std::io::Error,
    },
    /// Plain HTTP to a public address would show the alert to every hop.
    #[error("plain http goes only to addresses that `network.allow` names; use https")]
    Plain,
}

/// Judges where a connection may go.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    network: Network,
}

impl AddressPolicy {
    /// Public addresses, and what `network` allows beside them.
    pub const fn new(network: Network) -> Self {
        Self { network }
    }

    /// The addresses of `host` (a name or an IP literal, without brackets), each of them judged.
    ///
    /// # Errors
    /// [`AddressError::NotAllowed`] if even one address is not allowed; [`AddressError::Lookup`].
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, AddressError> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, port)],
            Err(_) => lookup(host, port).await?,
        };
        self.judge(host, &addresses)?;
        Ok(addresses)
    }

    /// Whether plain HTTP may go to `host`: the pipeline file names it, or each of its addresses.
    ///
    /// # Errors
    /// [`AddressError::Plain`], or what [`Self::resolve`] says.
    pub async fn permit_plain(&self, host: &str, port: u16) -> Result<(), AddressError> {
        if self.network.allows_host(host) {
            return Ok(());
        }
        let addresses = self.resolve(host, port).await?;
        if addresses.iter().all(|address| self.allows(address.ip())) {
            Ok(())
        } else {
            Err(AddressError::Plain)
        }
    }

    fn judge(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), AddressError> {
        if self.network.allows_host(host) {
            return Ok(());
        }
        let private_name = is_private_name(host);
        let refused =
            |address: &SocketAddr| !self.allows(address.ip()) && (private_name || !is_public(address.ip()));
        if addresses.iter().any(refused) { Err(AddressError::NotAllowed(host.to_owned())) } else { Ok(()) }
    }

    /// An address in any of its spellings is allowed by a range that holds the address which is reached in the end.
    fn allows(&self, address: IpAddr) -> bool {
        self.network.allows_address(reached(address))
    }
}

async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, AddressError> {
    let failed = |source| AddressError::Lookup { host: host.to_owned(), source };
    let addresses = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, port)))
        .await
        .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
        .map_err(failed)?;
    let addresses: Vec<_> = addresses.collect();
    if addresses.is_empty() { Err(failed(std::io::ErrorKind::NotFound.into())) } else { Ok(addresses) }
}

/// Whether anyone on the Internet means the same machine by `address`.
pub fn is_public(address: IpAddr) -> bool {
    match reached(address) {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|range| range.contains(&v4)),
        IpAddr::V6(v6) => {
            GLOBAL_UNICAST_V6.contains(&v6) && !NOT_PUBLIC_V6.iter().any(|range| range.contains(&v6))
        }
    }
}

/// The IPv4 address inside an IPv4-mapped or NAT64 address; any other address itself.
fn reached(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if NAT64.contains(&v6) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        other => other.to_canonical(),
    }
}

fn is_private_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    PRIVATE_NAMES
        .iter()
        .any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use pipeline_config::Network;
    use pipeline_config::network::Allowed;

    use super::{AddressError, AddressPolicy, is_public};

    fn judge(policy: &AddressPolicy, host: &str, addresses: &[&str]) -> Result<(), AddressError> {
        let addresses: Vec<_> =
            addresses.iter().map(|text| SocketAddr::new(text.parse::<IpAddr>().unwrap(), 443)).collect();
        policy.judge(host, &addresses)
    }

    #[test]
    fn what_is_not_public_is_known_in_every_spelling() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:a9fe:a9fe",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn one_private_address_among_public_ones_refuses_the_name() {
        let policy = AddressPolicy::default();
        assert!(judge(&policy, "hooks.example.com", &["1.1.1.1"]).is_ok());
        assert!(judge(&policy, "hooks.example.com", &["1.1.1.1", "10.0.0.1"]).is_err());
    }

    #[test]
    fn a_cluster_name_is_refused_wherever_it_points() {
        let policy = AddressPolicy::default();
        for name in
            ["hooks.team.svc", "hooks.team.svc.cluster.local.", "LOCALHOST", "metadata.google.internal"]
        {
            assert!(judge(&policy, name, &["1.1.1.1"]).is_err(), "{name}");
        }
        assert!(judge(&policy, "mysvc", &["1.1.1.1"]).is_ok());
    }

    #[test]
    fn the_pipeline_file_can_allow_a_host_or_a_range() {
        let allow =
            vec![Allowed::Host("hooks.team.svc".into()), Allowed::Range("10.1.0.0/16".parse().unwrap())];
        let policy = AddressPolicy::new(Network { allow });
        assert!(judge(&policy, "hooks.team.svc", &["10.96.0.7"]).is_ok());
        assert!(judge(&policy, "other.team.svc", &["10.1.0.7"]).is_ok());
        assert!(judge(&policy, "mapped.example.com", &["::ffff:10.1.0.7"]).is_ok());
        assert!(judge(&policy, "other.example.com", &["10.2.0.7"]).is_err());
    }

    #[tokio::test]
    async fn plain_http_goes_only_where_the_pipeline_file_says() {
        let policy =
            AddressPolicy::new(Network { allow: vec![Allowed::Range("127.0.0.0/8".parse().unwrap())] });
        assert!(policy.permit_plain("127.0.0.1", 80).await.is_ok());
        assert!(matches!(policy.permit_plain("1.1.1.1", 80).await, Err(AddressError::Plain)));
        assert!(matches!(policy.permit_plain("10.0.0.1", 80).await, Err(AddressError::NotAllowed(_))));
    }
}
