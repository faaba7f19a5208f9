//! How a sender shows who it is.

use serde::Serialize;

use crate::secret::SecretRef;

/// One way to pass; a request that meets any one of a source's credentials is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A header field has the secret as its value.
    Header {
        /// The field's name, in lower case.
        name: String,
        /// Its value.
        secret: SecretRef,
    },
    /// `Authorization: Bearer <secret>`; `Token <secret>`, as InfluxDB clients write it, passes too.
    Bearer {
        /// The token.
        secret: SecretRef,
    },
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// A parameter of the query has the secret as its value.
    Query {
        /// The parameter's name.
        key: String,
        /// Its value.
        secret: SecretRef,
    },
    /// The path's last segment is the secret: `/hooks/{source}/{secret}`.
    Path {
        /// The segment.
        secret: SecretRef,
    },
    /// A header field has the HMAC of the raw body.
    Hmac(Hmac),
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`; `svix-*` is the same scheme.
    StandardWebhooks {
        /// The signing secret, `whsec_` and Base64.
        secret: SecretRef,
    },
}

/// A signature over the raw body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hmac {
    /// The field's name, in lower case.
    pub header: String,
    /// What stands before the signature in the field (`sha256=`); may be empty.
    pub prefix: String,
    /// How the signature is written.
    pub encoding: Encoding,
    /// The hash function.
    pub algorithm: Algorithm,
    /// The key: the bytes of the secret's text.
    pub secret: SecretRef,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal, either case.
    #[default]
    Hex,
    /// Base64 (RFC 4648, section 4), padded or not.
    Base64,
}

/// The hash function of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
}

impl Credential {
    /// The secret that it compares with.
    pub fn secret(&self) -> &SecretRef {
        match self {
            Self::Header { secret, .. }
            | Self::Bearer { secret }
            | Self::Query { secret, .. }
            | Self::Path { secret }
            | Self::StandardWebhooks { secret } => secret,
            Self::Basic { password, .. } => password,
            Self::Hmac(hmac) => &hmac.secret,
        }
    }
}
