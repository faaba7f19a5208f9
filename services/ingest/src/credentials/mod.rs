//! Whether the sender of a request is allowed to: checked over the raw bytes, before anything is parsed.

mod head;
mod key;
mod signature;

use actix_web::HttpRequest;
use jiff::Timestamp;
use payload::CredentialTraces;
use pipeline_config::Credential;
use runtime::Env;

use key::Key;

/// The credentials of one source; any one lets a request in; where there is none, every request is let in.
pub(crate) struct Guard(Vec<Lock>);

/// One credential and its secret.
struct Lock {
    credential: Credential,
    key: Key,
}

/// What can be said before the body is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Let in.
    Passed,
    /// A signature over the body decides.
    NeedsBody,
    /// Not let in.
    Refused,
}

/// How a signed request was let in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The `webhook-id` of Standard Webhooks: the same over all re-sends of a message, and signed.
    pub(crate) message_id: Option<String>,
}

impl Guard {
    /// # Errors
    /// Every secret that cannot be had or used, in words without the secret.
    pub(crate) fn of(credentials: &[Credential], env: &Env) -> Result<Self, Vec<String>> {
        let mut locks = Vec::with_capacity(credentials.len());
        let mut reasons = Vec::new();
        for credential in credentials {
            match Key::of(credential.secret(), env) {
                Ok(key) => match signature::mistake(credential, &key.current()) {
                    None => locks.push(Lock { credential: credential.clone(), key }),
                    Some(mistake) => reasons.push(format!("the secret of {} {mistake}", credential.secret())),
                },
                Err(error) => reasons.push(error.to_string()),
            }
        }
        if reasons.is_empty() { Ok(Self(locks)) } else { Err(reasons) }
    }

    /// Checks what the head of the request shows. `tail` is the path behind the source's name.
    pub(crate) fn check_head(&self, request: &HttpRequest, tail: &str) -> Verdict {
        if self.0.is_empty() || self.0.iter().any(|lock| head::fits(lock, request, tail)) {
            return Verdict::Passed;
        }
        if self.0.iter().any(|lock| signature::is_signature(&lock.credential)) {
            return Verdict::NeedsBody;
        }
        Verdict::Refused
    }

    /// Checks signatures over the body as it was sent.
    pub(crate) fn check_body(&self, request: &HttpRequest, body: &[u8], now: Timestamp) -> Option<Signed> {
        self.0.iter().find_map(|lock| signature::check(lock, request, body, now))
    }

    /// Whether a request that shows nothing in its head might still be a sender's handshake: one that cannot be signed
    /// and may leave header fields out, but has the source's whole address.
    pub(crate) fn admits_handshake(&self, request: &HttpRequest, tail: &str) -> bool {
        let in_address =
            |lock: &Lock| matches!(lock.credential, Credential::Query { .. } | Credential::Path { .. });
        self.check_head(request, tail) == Verdict::Passed || !self.0.iter().all(in_address)
    }

    /// What is a credential in this request: every place where one of the source's credentials is looked for, used or not.
    pub(crate) fn traces(&self, tail: &str) -> CredentialTraces {
        let mut traces = CredentialTraces::default();
        for lock in &self.0 {
            match &lock.credential {
                Credential::Header { name, .. } => traces.headers.push(name.clone()),
                Credential::Hmac(hmac) => traces.headers.push(hmac.header.clone()),
                Credential::Query { key, .. } => traces.parameters.push(key.clone()),
                Credential::Path { .. } => {
                    traces.segments.extend(head::matching_segments(lock, tail).map(str::to_owned));
                }
                Credential::Bearer { .. }
                | Credential::Basic { .. }
                | Credential::StandardWebhooks { .. } => {}
            }
        }
        traces
    }
}
