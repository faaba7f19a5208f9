//! TLS to the database, set up at the first connection: loading authorities would dominate a process's start.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Socket;
use tokio_postgres::config::{Config, Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whether a connection to this address may be encrypted at all.
pub(crate) fn may_be_used(config: &Config) -> bool {
    config.get_ssl_mode() != SslMode::Disable
        && config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)))
}

/// Connects with rustls; clones share what was loaded.
#[derive(Clone)]
pub(crate) struct LazyTls {
    root_certificates: Option<PathBuf>,
    connector: Arc<OnceLock<MakeRustlsConnect>>,
}

impl LazyTls {
    pub(crate) fn new(root_certificates: Option<PathBuf>) -> Self {
        Self { root_certificates, connector: Arc::default() }
    }

    fn connector(&self) -> io::Result<MakeRustlsConnect> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector.clone());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(self.roots()?)
            .with_no_client_auth();
        Ok(self.connector.get_or_init(|| MakeRustlsConnect::new(config)).clone())
    }

    fn roots(&self) -> io::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        match &self.root_certificates {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(path) => {
                for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
                    roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
                }
            }
        }
        Ok(roots)
    }
}

impl MakeTlsConnect<Socket> for LazyTls {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Self::TlsConnect> {
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.connector()?, domain).map_err(io::Error::other)
    }
}
