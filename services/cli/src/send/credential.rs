//! Shows a sender's credential as its source in the pipeline file asks for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use pipeline_config::credential::Encoding;
use pipeline_config::{Credential, Secret, Source};
use sha2::Sha256;
use uuid::Uuid;

use runtime::Failure;

use super::target::Outgoing;

/// A credential with its secret in hand.
#[derive(Debug, Clone)]
pub struct Shown {
    credential: Credential,
    secret: Secret,
}

impl Shown {
    /// A credential of the pipeline file and what its reference resolved to.
    pub fn new(credential: Credential, secret: Secret) -> Self {
        Self { credential, secret }
    }

    /// The first credential of `source`, with its secret from where the pipeline file says; `None` where anyone may send.
    ///
    /// # Errors
    /// Where the secret is not there.
    pub fn of(source: &Source) -> Result<Option<Self>, Failure> {
        let Some(credential) = source.credentials.first() else { return Ok(None) };
        match credential.secret().resolve(&|variable| std::env::var(variable).ok()) {
            Ok(secret) => Ok(Some(Self::new(credential.clone(), secret))),
            Err(error) => {
                let message = format!("the credential of source {} is missing", source.profile.source);
                Err(Failure::because(message, &error))
            }
        }
    }

    /// `request` with the credential. `now` is the time that Standard Webhooks sign.
    pub fn on(&self, mut request: Outgoing, now: jiff::Timestamp) -> Outgoing {
        let secret = self.secret.expose();
        let mut header = |name: &str, value: String| request.headers.push((name.to_owned(), value));
        match &self.credential {
            Credential::Header { name, .. } => header(name, secret.to_owned()),
            Credential::Bearer { .. } => header("authorization", format!("Bearer {secret}")),
            Credential::Basic { user, .. } => {
                header("authorization", format!("Basic {}", BASE64.encode(format!("{user}:{secret}"))));
            }
            Credential::Query { key, .. } => {
                let joint = if request.url.contains('?') { '&' } else { '?' };
                request.url = format!("{}{joint}{}={}", request.url, escaped(key), escaped(secret));
            }
            Credential::Path { .. } => {
                let (place, query) =
                    request.url.split_once('?').map_or((request.url.as_str(), None), |(p, q)| (p, Some(q)));
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                request.url = format!("{}/{}{query}", place.trim_end_matches('/'), escaped(secret));
            }
            Credential::Hmac(hmac) => {
                let digest = hmac_sha256(secret.as_bytes(), &[&request.body]);
                let digest = match hmac.encoding {
                    Encoding::Hex => event_model::hex(&digest),
                    Encoding::Base64 => BASE64.encode(digest),
                };
                header(&hmac.header, format!("{}{digest}", hmac.prefix));
            }
            Credential::StandardWebhooks { .. } => {
                let id = format!("msg_{}", Uuid::now_v7().simple());
                let timestamp = now.as_second().to_string();
                // What is no Base64 signs nothing that a receiver would take; its 401 says so.
                let key = BASE64.decode(secret.trim_start_matches("whsec_")).unwrap_or_default();
                let signed =
                    hmac_sha256(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", &request.body]);
                header("webhook-signature", format!("v1,{}", BASE64.encode(signed)));
                header("webhook-id", id);
                header("webhook-timestamp", timestamp);
            }
        }
        request
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
