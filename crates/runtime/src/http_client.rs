//! The one way to build an outgoing HTTP client, and what it trusts.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// How an outgoing client behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// For connecting, TLS included.
    pub connect_timeout: Duration,
    /// For a whole exchange.
    pub timeout: Duration,
    /// Certificates in PEM that are trusted beside the public authorities (`K_CA_CERTS`).
    pub extra_roots: Option<String>,
    /// How many idle connections to one host are kept.
    pub idle_connections: usize,
}

/// Why no client could be built.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The extra certificates cannot be read.
    #[error("the certificates are not PEM: {0}")]
    Certificates(String),
    /// What is to be reached is no address of HTTP.
    #[error("the address is none of HTTP")]
    Address,
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// The client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            extra_roots: None,
            idle_connections: 64,
        }
    }
}

/// A client that follows no redirect, uses no proxy of the environment, and trusts the public authorities.
///
/// # Errors
/// [`ClientError`].
pub fn http_client(options: &ClientOptions) -> Result<reqwest::Client, ClientError> {
    Ok(http_client_builder(options)?.build()?)
}

/// The same, open for one more setting (a resolver that refuses private addresses).
///
/// # Errors
/// [`ClientError`].
pub fn http_client_builder(options: &ClientOptions) -> Result<reqwest::ClientBuilder, ClientError> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(options.extra_roots.as_deref())?)
        .connect_timeout(options.connect_timeout)
        .timeout(options.timeout)
        .pool_max_idle_per_host(options.idle_connections)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy())
}

/// Trusts the public authorities, and those of `extra_roots` in PEM. The public ones are compiled in, so that a start reads
/// and parses no certificate file.
///
/// # Errors
/// [`ClientError`].
pub fn tls_config(extra_roots: Option<&str>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(extra_roots.unwrap_or_default().as_bytes()) {
        let certificate = certificate.map_err(|error| ClientError::Certificates(error.to_string()))?;
        roots.add(certificate)?;
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
