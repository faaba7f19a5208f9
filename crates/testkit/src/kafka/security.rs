//! What a broker needs to ask who is there: an authority, certificates, and a user with a password.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::free_port;

/// Listeners beside the plain one: passwords over TLS, and certificates on both sides.
#[derive(Debug)]
pub(super) struct Security {
    folder: PathBuf,
    sasl_port: u16,
    tls_port: u16,
}

impl Security {
    /// The user, whom PLAIN and SCRAM-SHA-512 know.
    pub(super) const USER: &str = "freshet";
    /// A broker on loopback that ends with its test needs no better one.
    pub(super) const PASSWORD: &str = "of-this-broker-alone";

    /// Makes the files in `folder`.
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        let mut authority = params("test authority")?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, new_key()?).map_err(io::Error::other)?;
        let (server, client) = (signed("127.0.0.1", &authority)?, signed(Self::USER, &authority)?);
        std::fs::write(folder.join("ca.crt"), authority.pem())?;
        std::fs::write(folder.join("server.pem"), format!("{}{}", server.key, server.certificate))?;
        std::fs::write(folder.join("user.crt"), client.certificate)?;
        std::fs::write(folder.join("user.key"), client.key)?;
        Ok(Self { folder: folder.to_owned(), sasl_port: free_port(), tls_port: free_port() })
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Where passwords are asked for.
    pub(super) fn sasl_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.sasl_port)
    }

    /// Where a certificate is asked for.
    pub(super) fn tls_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// What follows the plain listener.
    pub(super) fn listeners(&self) -> String {
        format!(",SASL_SSL://{},SSL://{}", self.sasl_bootstrap(), self.tls_bootstrap())
    }

    /// The broker's settings, <https://kafka.apache.org/documentation/#security>.
    pub(super) fn properties(&self) -> String {
        format!(
            "ssl.keystore.type=PEM\n\
             ssl.keystore.location={}\n\
             ssl.truststore.type=PEM\n\
             ssl.truststore.location={}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required user_{}=\"{}\";\n\
             listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
            self.file("server.pem"),
            self.file("ca.crt"),
            Self::USER,
            Self::PASSWORD
        )
    }
}

/// Both in PEM, the key in PKCS #8.
struct Identity {
    certificate: String,
    key: String,
}

fn signed(name: &str, authority: &CertifiedIssuer<'_, KeyPair>) -> io::Result<Identity> {
    let key = new_key()?;
    let certificate = params(name)?.signed_by(&key, authority).map_err(io::Error::other)?;
    Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// OpenSSL takes a certificate of the authority's own name for a self-signed one.
fn params(name: &str) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}
