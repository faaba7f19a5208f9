//! Where notifications may go: public addresses, and what the pipeline file allows beside them.
//!
//! A name is resolved once, every address that it has is judged, and the connection goes to a judged address only,
//! so that a name which changes its mind between the check and the connection gains nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pipeline_config::Network;
use pipeline_config::network::{is_private_name, is_public};
use thiserror::Error;

/// How long a name may take to resolve.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Without TLS every hop to a public address would read the alert.
    #[error(
        "what is not encrypted goes only to addresses that `network.allow` names; use https, or TLS for mail"
    )]
    Plain,
}

/// Who can read what goes over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// The far side alone: TLS.
    Encrypted,
    /// Every hop: only addresses that `network.allow` names.
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
    /// [`AddressError::NotAllowed`] or [`AddressError::Plain`] if even one address is not allowed; [`AddressError::Lookup`].
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        privacy: Privacy,
    ) -> Result<Vec<SocketAddr>, AddressError> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, port)],
            Err(_) => lookup(host, port).await?,
        };
        self.judge(host, &addresses, privacy)?;
        Ok(addresses)
    }

    fn judge(&self, host: &str, addresses: &[SocketAddr], privacy: Privacy) -> Result<(), AddressError> {
        if self.network.allows_host(host) || addresses.iter().all(|address| self.allows(address.ip())) {
            return Ok(());
        }
        let private_name = is_private_name(host);
        let refused =
            |address: &SocketAddr| !self.allows(address.ip()) && (private_name || !is_public(address.ip()));
        if addresses.iter().any(refused) {
            Err(AddressError::NotAllowed(host.to_owned()))
        } else if privacy == Privacy::Plain {
            Err(AddressError::Plain)
        } else {
            Ok(())
        }
    }

    /// An address in any of its spellings is allowed by a range that holds the address which is reached in the end.
    fn allows(&self, address: IpAddr) -> bool {
        self.network.allows_address(address)
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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use pipeline_config::Network;
    use pipeline_config::network::Allowed;

    use super::{AddressError, AddressPolicy, Privacy};

    fn judge(policy: &AddressPolicy, host: &str, addresses: &[&str]) -> Result<(), AddressError> {
        let addresses: Vec<_> =
            addresses.iter().map(|text| SocketAddr::new(text.parse::<IpAddr>().unwrap(), 443)).collect();
        policy.judge(host, &addresses, Privacy::Encrypted)
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
    async fn what_is_not_encrypted_goes_only_where_the_pipeline_file_says() {
        let allow = vec![Allowed::Range("127.0.0.0/8".parse().unwrap())];
        let policy = AddressPolicy::new(Network { allow });
        let plain = |host| policy.resolve(host, 80, Privacy::Plain);
        assert!(plain("127.0.0.1").await.is_ok());
        assert!(matches!(plain("1.1.1.1").await, Err(AddressError::Plain)));
        assert!(matches!(plain("10.0.0.1").await, Err(AddressError::NotAllowed(_))));
        assert!(policy.resolve("1.1.1.1", 443, Privacy::Encrypted).await.is_ok());
    }
}
