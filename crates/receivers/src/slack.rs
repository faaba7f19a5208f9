//! Slack's [incoming webhooks](https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
//!
//! Slack knows no idempotency key: a crash between sending and recording may send it twice. A hook that was removed (404), is
//! not allowed (403) or belongs to an archived channel (410) can be restored or replaced: its secret is read anew before use.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::outgoing::{Outgoing, Post};
use crate::{Attempt, Message, Outcome, Receiver};

/// The longest text of a section block, in characters, by Slack's reference.
const MAX_SECTION_CHARS: usize = 3000;
/// The longest text of a header block, in characters.
const MAX_HEADER_CHARS: usize = 150;

/// One incoming webhook.
pub struct Slack {
    outgoing: Arc<Outgoing>,
    url: Url,
}

impl Slack {
    /// Posts to `url`, which is itself the secret.
    pub const fn new(outgoing: Arc<Outgoing>, url: Url) -> Self {
        Self { outgoing, url }
    }

    fn post(&self, message: &Message) -> Post {
        let title = message.title();
        let body = json!({
            // What notifications on a phone show.
            "text": escaped(&title, MAX_SECTION_CHARS),
            "mrkdwn": false,
            "blocks": [
                {"type": "header", "text": plain(&title, MAX_HEADER_CHARS)},
                {"type": "section", "text": plain(&message.text(), MAX_SECTION_CHARS)},
            ],
        });
        Post {
            url: self.url.clone(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
            body: body.to_string().into_bytes(),
        }
    }
}

impl Receiver for Slack {
    fn deliver<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.outgoing.post(self.post(attempt.message), attempt.now).await {
                Ok(answer) => {
                    answer.judge(format!("Slack answered {}{}", answer.status, error_word(&answer.body)))
                }
                Err(outcome) => outcome,
            }
        })
    }
}

/// Slack's own word for the error (`channel_is_archived`), where the answer is such a word.
fn error_word(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(word)
            if (1..=64).contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
        {
            format!(": {word}")
        }
        _ => String::new(),
    }
}

/// `text` with Slack's three control characters escaped, cut before an escape would be split.
fn escaped(text: &str, max_chars: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        let length = piece.len().max(1);
        if chars + length >= max_chars {
            escaped.push('…');
            break;
        }
        chars += length;
        if piece.is_empty() { escaped.push(c) } else { escaped.push_str(piece) }
    }
    escaped
}

/// A [text object](https://docs.slack.dev/reference/block-kit/composition-objects/text-object) in which Slack reads no
/// mark-up, makes no links and escapes nothing: a device's name stays a name.
fn plain(text: &str, max_chars: usize) -> Value {
    let mut chars = text.chars();
    let mut cut: String = chars.by_ref().take(max_chars - 1).collect();
    match (chars.next(), chars.next()) {
        (Some(last), None) => cut.push(last),
        (Some(_), Some(_)) => cut.push('…'),
        (None, _) => {}
    }
    json!({"type": "plain_text", "emoji": false, "text": cut})
}

#[cfg(test)]
mod tests {
    use super::{MAX_SECTION_CHARS, error_word, escaped, plain};

    #[test]
    fn mark_up_from_the_outside_is_escaped() {
        assert_eq!(escaped("<!channel> a & b", MAX_SECTION_CHARS), "&lt;!channel&gt; a &amp; b");
    }

    #[test]
    fn a_long_text_is_cut_between_escapes() {
        let text = escaped(&"<".repeat(5000), MAX_SECTION_CHARS);
        assert!(text.chars().count() <= MAX_SECTION_CHARS);
        assert!(text.ends_with("&lt;…"));
    }

    #[test]
    fn a_block_is_plain_text_within_slacks_bounds() {
        let text = |text: &str, most| plain(text, most)["text"].as_str().unwrap().to_owned();
        assert_eq!(text("*b* http://evil.example/x", 150), "*b* http://evil.example/x");
        assert_eq!((text("abc", 3), text("abcd", 3)), ("abc".into(), "ab…".into()));
        assert_eq!(plain("x", 3)["type"], "plain_text");
    }

    #[test]
    fn only_a_word_of_slacks_own_is_repeated() {
        assert_eq!(error_word(b"channel_is_archived"), ": channel_is_archived");
        assert_eq!(error_word(b"<html>..."), "");
    }
}
