//! [ntfy](https://docs.ntfy.sh/publish/#publish-as-json): a JSON POST to the server's base address.
//!
//! ntfy knows no idempotency key: a crash between sending and recording may send it twice.

use std::fmt;
use std::sync::Arc;

use event_model::Severity;
use futures_util::future::BoxFuture;
use pipeline_config::Secret;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;

use crate::outgoing::{Outgoing, Post};
use crate::token::{TokenError, bearer};
use crate::{Attempt, Message, Outcome, Receiver};

/// A longer message becomes an attachment; in bytes, by ntfy's documentation.
const MAX_MESSAGE_BYTES: usize = 4000;

/// One topic of one server.
pub struct Ntfy {
    outgoing: Arc<Outgoing>,
    url: Url,
    topic: String,
    authorization: Option<HeaderValue>,
}

impl Ntfy {
    /// Posts to the server at `url`; `token` is an access token, where the topic wants one.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn new(
        outgoing: Arc<Outgoing>,
        url: Url,
        topic: String,
        token: Option<&Secret>,
    ) -> Result<Self, TokenError> {
        let authorization = token.map(bearer).transpose()?;
        Ok(Self { outgoing, url, topic, authorization })
    }

    fn post(&self, message: &Message) -> Post {
        let body = json!({
            "topic": self.topic,
            "title": message.title(),
            "message": cut(&message.text()),
            "priority": priority(message),
            "tags": [if message.change.is_firing() { "warning" } else { "white_check_mark" }],
        });
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        headers.extend(self.authorization.clone().map(|value| (AUTHORIZATION, value)));
        Post { url: self.url.clone(), headers, body: body.to_string().into_bytes() }
    }
}

impl fmt::Debug for Ntfy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ntfy").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl Receiver for Ntfy {
    fn deliver<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.outgoing.post(self.post(attempt.message), attempt.now).await {
                Ok(answer) => answer.judge(format!("the ntfy server answered {}", answer.status)),
                Err(outcome) => outcome,
            }
        })
    }
}

/// ntfy's 1 (silent) to 5 (urgent).
fn priority(message: &Message) -> u8 {
    match (message.change, message.alert.severity) {
        (change, Severity::Critical) if change.is_firing() => 5,
        (change, Severity::Warning) if change.is_firing() => 4,
        _ => 3,
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert!(cut(&"ü".repeat(4000)).len() <= 4000);
    }
}
