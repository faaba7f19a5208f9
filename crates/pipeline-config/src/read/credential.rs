//! `credentials` of a source.

use crate::credential::{Algorithm, Credential, Encoding, Hmac};
use crate::fields::Fields;
use crate::report::Report;
use crate::scalar;
use crate::secret::SecretRef;
use crate::yaml::{Node, Value};

use super::secret;

/// The keys that say which kind of credential an entry is.
const KINDS: [&str; 7] = ["header", "bearer", "basic", "query", "path", "hmac", "standard_webhooks"];

/// One entry of the list.
pub(crate) fn read(node: &Node, report: &Report) -> Option<Credential> {
    let fields = Fields::of(node, "Credential", report)?;
    let present = fields.present(&KINDS);
    let credential = match present[..] {
        ["header"] => header(&fields),
        ["bearer"] => fields
            .require("bearer")
            .and_then(|node| secret::read(node, report))
            .map(|secret| Credential::Bearer { secret }),
        ["basic"] => fields.require("basic").and_then(|node| basic(node, report)),
        ["query"] => query(&fields),
        ["path"] => path(&fields),
        ["hmac"] => fields.require("hmac").and_then(|node| hmac(node, report)),
        ["standard_webhooks"] => {
            fields.require("standard_webhooks").and_then(|node| standard_webhooks(node, report))
        }
        _ => {
            report.mistake(node.place, format!("expected one of: {}", KINDS.join(", ")));
            None
        }
    };
    if matches!(present[..], ["header" | "query" | "path"] | []) {
        fields.get("secret");
    }
    fields.close();
    credential
}

fn header(fields: &Fields<'_>) -> Option<Credential> {
    let name = fields.require("header").and_then(|node| header_name(node, fields.report));
    let secret = sibling_secret(fields);
    Some(Credential::Header { name: name?, secret: secret? })
}

fn query(fields: &Fields<'_>) -> Option<Credential> {
    let key =
        fields.require("query").and_then(|node| scalar::word(node, "the name of a parameter", fields.report));
    let secret = sibling_secret(fields);
    Some(Credential::Query { key: key?.to_owned(), secret: secret? })
}

fn path(fields: &Fields<'_>) -> Option<Credential> {
    let node = fields.require("path")?;
    if !matches!(node.value, Value::Flag(true, _)) {
        fields.report.mistake(node.place, "expected `true`: the last segment of the path is then the secret");
    }
    sibling_secret(fields).map(|secret| Credential::Path { secret })
}

fn sibling_secret(fields: &Fields<'_>) -> Option<SecretRef> {
    fields.require("secret").and_then(|node| secret::read(node, fields.report))
}

fn basic(node: &Node, report: &Report) -> Option<Credential> {
    let fields = Fields::of(node, "Basic", report)?;
    let user = fields.require("user").and_then(|node| scalar::text(node, report));
    let password = fields.require("password").and_then(|node| secret::read(node, report));
    if let Some(node) = fields.get("user").filter(|_| user.is_some_and(|user| user.contains(':'))) {
        report.mistake(node.place, "a user's name holds no `:` (RFC 7617)");
    }
    fields.close();
    Some(Credential::Basic { user: user?.to_owned(), password: password? })
}

fn hmac(node: &Node, report: &Report) -> Option<Credential> {
    let fields = Fields::of(node, "Hmac", report)?;
    let header = fields.require("header").and_then(|node| header_name(node, report));
    let prefix = fields.get("prefix").and_then(|node| scalar::text(node, report)).unwrap_or_default();
    let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
    let encoding = fields.get("encoding").and_then(|node| scalar::choice(node, &encodings, report));
    let algorithm = fields
        .get("algorithm")
        .and_then(|node| scalar::choice(node, &[("sha256", Algorithm::Sha256)], report));
    let secret = sibling_secret(&fields);
    fields.close();
    Some(Credential::Hmac(Hmac {
        header: header?,
        prefix: prefix.to_owned(),
        encoding: encoding.unwrap_or_default(),
        algorithm: algorithm.unwrap_or_default(),
        secret: secret?,
    }))
}

fn standard_webhooks(node: &Node, report: &Report) -> Option<Credential> {
    let fields = Fields::of(node, "StandardWebhooks", report)?;
    let secret = sibling_secret(&fields);
    fields.close();
    secret.map(|secret| Credential::StandardWebhooks { secret })
}

/// A field name (RFC 9110, section 5.1), in lower case.
fn header_name(node: &Node, report: &Report) -> Option<String> {
    let name = scalar::text(node, report)?;
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)) {
        return Some(name.to_ascii_lowercase());
    }
    report.mistake(node.place, "expected the name of a header field, such as `X-Api-Key`");
    None
}
