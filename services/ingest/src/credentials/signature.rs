//! Signatures over the raw body: a plain HMAC in a header field, and Standard Webhooks.

use actix_web::HttpRequest;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use pipeline_config::credential::{Algorithm, Encoding};
use pipeline_config::{Credential, Secret};
use sha2::Sha256;

use super::{Lock, Signed};

/// How far a signature's time may be from ours, in seconds: what the reference libraries of Standard Webhooks allow.
const TOLERANCE: i64 = 5 * 60;
/// The shortest key of a signature, in bytes.
const MIN_KEY_BYTES: usize = 16;
/// The shortest secret that a request shows, in bytes.
const MIN_SHOWN_BYTES: usize = 8;
/// The two spellings of the header fields; Svix's are the older ones.
const PREFIXES: [&str; 2] = ["webhook", "svix"];
/// More signatures than any rotation needs.
const MAX_SIGNATURES: usize = 16;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn is_signature(credential: &Credential) -> bool {
    matches!(credential, Credential::Hmac(_) | Credential::StandardWebhooks { .. })
}

/// Why a secret cannot be this credential's: it is no key at all, or soon guessed. A signature can be tried against without
/// asking us; what is shown is tried a request at a time.
pub(super) fn mistake(credential: &Credential, secret: &Secret) -> Option<String> {
    let (length, least) = match credential {
        Credential::StandardWebhooks { .. } => match signing_key(secret) {
            Some(key) => (key.len(), MIN_KEY_BYTES),
            None => return Some("is no Standard Webhooks secret".to_owned()),
        },
        Credential::Hmac(_) => (secret.expose().len(), MIN_KEY_BYTES),
        _ => (secret.expose().len(), MIN_SHOWN_BYTES),
    };
    (length < least).then(|| format!("has {length} bytes; it must have at least {least}"))
}

pub(super) fn check(lock: &Lock, request: &HttpRequest, body: &[u8], now: Timestamp) -> Option<Signed> {
    match &lock.credential {
        Credential::Hmac(hmac) => {
            let Algorithm::Sha256 = hmac.algorithm;
            let secret = lock.key.current();
            let is_valid = fields(request, &hmac.header)
                .flat_map(|value| value.split(','))
                .filter_map(|value| decoded(value.trim().strip_prefix(&hmac.prefix)?, hmac.encoding))
                .take(MAX_SIGNATURES)
                .any(|signature| verify(secret.expose().as_bytes(), &[body], &signature));
            is_valid.then(Signed::default)
        }
        Credential::StandardWebhooks { .. } => {
            let key = signing_key(&lock.key.current())?;
            PREFIXES.iter().find_map(|prefix| standard_webhook(prefix, &key, request, body, now))
        }
        _ => None,
    }
}

/// Standard Webhooks: `v1` is the HMAC-SHA256 of `id.timestamp.body`; one that fits is enough.
fn standard_webhook(
    prefix: &str,
    key: &[u8],
    request: &HttpRequest,
    body: &[u8],
    now: Timestamp,
) -> Option<Signed> {
    let field = |name: &str| fields(request, &format!("{prefix}-{name}")).next();
    let (id, timestamp, signatures) = (field("id")?, field("timestamp")?, field("signature")?);
    let signed_at: i64 = timestamp.parse().ok()?;
    if now.as_second().saturating_sub(signed_at).saturating_abs() > TOLERANCE {
        return None;
    }
    let content = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let is_valid = signatures
        .split_ascii_whitespace()
        .filter_map(|signature| decoded(signature.strip_prefix("v1,")?, Encoding::Base64))
        .take(MAX_SIGNATURES)
        .any(|signature| verify(key, &content, &signature));
    is_valid.then(|| Signed { message_id: Some(id.to_owned()) })
}

/// The Base64 behind `whsec_`.
fn signing_key(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose();
    let key = BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
    (!key.is_empty()).then_some(key)
}

/// In constant time.
fn verify(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(signature).is_ok()
}

fn decoded(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Base64 => BASE64.decode(text).ok(),
        Encoding::Hex => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let pairs = text.as_bytes().chunks(2);
            pairs.map(|pair| u8::try_from(digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?).ok()).collect()
        }
    }
}

fn fields<'a>(request: &'a HttpRequest, name: &str) -> impl Iterator<Item = &'a str> {
    request.headers().get_all(name).filter_map(|value| value.to_str().ok())
}
