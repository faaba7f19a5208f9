//! How a sender shows who it is.

use serde_json::json;
use settings::yaml::Value;
use settings::{Choice, Custom, Fields, Object, OneOf, Parsed, Shape, Text, Word};

use crate::secret::{Reference, SecretRef};

/// One way to pass; a request that meets any one of a source's credentials is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Hexadecimal, either case.
    #[default]
    Hex,
    /// Base64 (RFC 4648, section 4), padded or not.
    Base64,
}

/// The hash function of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

/// One entry of `credentials`.
pub(crate) fn shape() -> impl Shape<Value = Credential> {
    OneOf::new("Credential", "One way for a sender to show who it is.")
        .kind("header", "A header field with a fixed value.", |fields| {
            let name = fields.required("header", "The field's name.", header_name());
            let secret = fields.required("secret", "Its value.", Reference);
            Some(Credential::Header { name: name?, secret: secret? })
        })
        .kind("bearer", "`Authorization: Bearer`, or `Token`.", |fields| {
            fields.required("bearer", "The token.", Reference).map(|secret| Credential::Bearer { secret })
        })
        .kind("basic", "`Authorization: Basic`.", |fields| {
            fields.required("basic", "User and password.", Object::new("Basic", "User and password.", basic))
        })
        .kind("query", "A parameter of the query with a fixed value.", |fields| {
            let key = fields.required("query", "The parameter's name.", Word("the name of a parameter"));
            let secret = fields.required("secret", "Its value.", Reference);
            Some(Credential::Query { key: key?, secret: secret? })
        })
        .kind("path", "The last segment of the path: `/hooks/{source}/{secret}`.", |fields| {
            fields.required("path", "Always `true`.", always());
            fields.required("secret", "The segment.", Reference).map(|secret| Credential::Path { secret })
        })
        .kind("hmac", "A header field with the HMAC of the raw body.", |fields| {
            fields.required(
                "hmac",
                "How it is signed.",
                Object::new("Hmac", "An HMAC over the raw body.", hmac),
            )
        })
        .kind("standard_webhooks", "Signed after Standard Webhooks.", |fields| {
            let signed = Object::new("StandardWebhooks", "Standard Webhooks.", standard_webhooks);
            fields.required("standard_webhooks", "How it is signed.", signed)
        })
}

fn basic(fields: &Fields<'_>) -> Option<Credential> {
    let user = Parsed::new(|user| {
        if user.contains(':') { Err("a user's name holds no `:` (RFC 7617)") } else { Ok(user.to_owned()) }
    });
    let user = fields.required("user", "The user's name.", user);
    let password = fields.required("password", "The password.", Reference);
    Some(Credential::Basic { user: user?, password: password? })
}

fn hmac(fields: &Fields<'_>) -> Option<Credential> {
    let header = fields.required("header", "The header field that carries it.", header_name());
    let prefix = fields.optional("prefix", "What stands before it in the field (`sha256=`).", Text);
    let encodings = Choice(&[("hex", Encoding::Hex), ("base64", Encoding::Base64)]);
    let encoding = fields.or("encoding", "How it is written.", encodings, Encoding::default());
    let algorithms = Choice(&[("sha256", Algorithm::Sha256)]);
    let algorithm = fields.or("algorithm", "The hash function.", algorithms, Algorithm::default());
    let secret = fields.required("secret", "The key.", Reference);
    let prefix = prefix.unwrap_or_default();
    Some(Credential::Hmac(Hmac { header: header?, prefix, encoding, algorithm, secret: secret? }))
}

fn standard_webhooks(fields: &Fields<'_>) -> Option<Credential> {
    let secret = fields.required("secret", "The signing secret, `whsec_` and Base64.", Reference);
    secret.map(|secret| Credential::StandardWebhooks { secret })
}

fn always() -> impl Shape<Value = ()> {
    Custom::new(json!({"type": "boolean", "const": true}), |node, report| {
        if !matches!(node.value, Value::Flag(true, _)) {
            report.mistake(node.place, "expected `true`: the last segment of the path is then the secret");
        }
        Some(())
    })
}

/// A field name (RFC 9110, section 5.1), in lower case.
fn header_name() -> impl Shape<Value = String> {
    Parsed::new(|name| {
        if name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)) {
            return Ok(name.to_ascii_lowercase());
        }
        Err("expected the name of a header field, such as `X-Api-Key`")
    })
}
