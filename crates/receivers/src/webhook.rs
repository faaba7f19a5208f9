//! A POST of JSON, signed after [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks).
//!
//! `webhook-id` is the message's id and the same in every attempt; `webhook-timestamp` is the attempt's own. With two
//! secrets there are two signatures, so that a receiver can change over. The body:
//!
//! ```json
//! {"type": "alert.firing", "timestamp": "2026-03-01T12:00:00Z",
//!  "data": {"rule": "GreenhouseTooHot", "device": "gh-1", "value": 31.5, "since": "2026-03-01T12:00:00Z", "...": "..."}}
//! ```
//!
//! `alerts.more` has a `count` in place of an alert.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use sha2::Sha256;
use thiserror::Error;

use crate::message::{Alert, Message};
use crate::outgoing::{Answer, Outgoing, Post};
use crate::{Attempt, Outcome, Receiver};

/// How a symmetric signing secret begins.
const SECRET_PREFIX: &str = "whsec_";
/// The length of a signing secret in bytes, by the specification.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A receiver of signed webhooks.
pub struct Webhook {
    outgoing: Arc<Outgoing>,
    url: Url,
    keys: Vec<SigningKey>,
}

/// A symmetric key of Standard Webhooks.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

/// Why a text is no signing secret. Never holds it.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SigningKeyError {
    /// It is not `whsec_` and Base64.
    #[error("a signing secret is `whsec_` and Base64")]
    Form,
    /// It is too short to be safe, or longer than the specification allows.
    #[error("a signing secret has 24 to 64 bytes before Base64, this one {0}")]
    Length(usize),
}

impl SigningKey {
    /// Reads `whsec_` and Base64.
    ///
    /// # Errors
    /// [`SigningKeyError`]
    pub fn parse(secret: &str) -> Result<Self, SigningKeyError> {
        let encoded = secret.trim().strip_prefix(SECRET_PREFIX).ok_or(SigningKeyError::Form)?;
        let key = BASE64.decode(encoded).map_err(|_| SigningKeyError::Form)?;
        if SECRET_BYTES.contains(&key.len()) {
            Ok(Self(key))
        } else {
            Err(SigningKeyError::Length(key.len()))
        }
    }

    /// `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(flatten)]
    alert: &'a Alert,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    text: String,
}

impl Webhook {
    /// Posts to `url`, with one signature for each of `keys`.
    pub const fn new(outgoing: Arc<Outgoing>, url: Url, keys: Vec<SigningKey>) -> Self {
        Self { outgoing, url, keys }
    }

    fn post(&self, message: &Message, now: Timestamp) -> Post {
        let data = Data {
            alert: &message.alert,
            since: message.change.since(),
            ended_at: message.change.ended_at(),
            count: message.change.count(),
            text: message.text(),
        };
        let body = Body { r#type: message.change.kind(), timestamp: message.change.at(), data };
        let body = serde_json::to_vec(&body).expect("texts, numbers and maps with text keys are JSON");
        let (id, timestamp) = (message.id.to_string(), now.as_second());
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(timestamp)),
        ]);
        insert_ascii(&mut headers, "webhook-id", &id);
        if !self.keys.is_empty() {
            let signatures: Vec<_> = self.keys.iter().map(|key| key.sign(&id, timestamp, &body)).collect();
            insert_ascii(&mut headers, "webhook-signature", &signatures.join(" "));
        }
        Post { url: self.url.clone(), headers, body }
    }
}

fn insert_ascii(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("ids and Base64 are printable ASCII");
    headers.insert(HeaderName::from_static(name), value);
}

impl Receiver for Webhook {
    fn deliver<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.outgoing.post(self.post(attempt.message, attempt.now), attempt.now).await {
                Ok(answer) => judge(&answer),
                Err(outcome) => outcome,
            }
        })
    }
}

/// By the specification all but 2xx is a failure, redirects too, and only 410 says "never again".
fn judge(answer: &Answer) -> Outcome {
    match answer.status {
        200..=299 => Outcome::Delivered,
        410 => Outcome::no_use("the receiver answered 410: it wants no more webhooks"),
        status => {
            Outcome::Retry { reason: format!("the receiver answered {status}"), after: answer.retry_after }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SigningKey, SigningKeyError};

    #[test]
    fn the_specifications_own_example_is_signed_as_it_says() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_that_is_none_is_refused_without_being_shown() {
        assert_eq!(SigningKey::parse("hunter2").unwrap_err(), SigningKeyError::Form);
        assert_eq!(SigningKey::parse("whsec_c2hvcnQ=").unwrap_err(), SigningKeyError::Length(5));
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey([redacted])");
    }
}
