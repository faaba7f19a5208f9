//! What became of an attempt, as the receiver itself judges it.

use std::time::Duration;

use event_model::name::one_line;
use jiff::Timestamp;

/// The longest wait that a far side can ask for; a longer one counts as this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// The longest reason that is kept, in characters.
const MAX_REASON_CHARS: usize = 300;

/// What became of one attempt to deliver a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side has taken it.
    Delivered,
    /// It failed for now.
    Retry {
        /// Why; holds no secret and no payload.
        reason: String,
        /// How long the far side asks to be left alone, where it says so.
        after: Option<Duration>,
    },
    /// It failed, and would fail again.
    NoUse {
        /// Why; holds no secret and no payload.
        reason: String,
    },
}

impl Outcome {
    /// It failed for now, and the far side says nothing about when.
    pub fn retry(reason: impl AsRef<str>) -> Self {
        Self::Retry { reason: bounded(reason.as_ref()), after: None }
    }

    /// It would fail again.
    pub fn no_use(reason: impl AsRef<str>) -> Self {
        Self::NoUse { reason: bounded(reason.as_ref()) }
    }
}

/// What a `Retry-After` field asks for (RFC 9110, section 10.2.3): seconds, or a date.
///
/// `None` where it is neither, or in the past. At most [`MAX_RETRY_AFTER`].
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Duration::try_from(until.duration_since(now)).ok()?
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// `text` on one line, and not too long.
fn bounded(text: &str) -> String {
    one_line(text).chars().take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{MAX_RETRY_AFTER, Outcome, retry_after};

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(retry_after(" 30 ", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 12:02:00 GMT", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 11:00:00 GMT", now), None);
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("99999999", now), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let Outcome::NoUse { reason } = Outcome::no_use("a\r\nb".to_owned() + &"x".repeat(1000)) else {
            panic!("expected NoUse");
        };
        assert!(reason.starts_with("a  bx") && reason.chars().count() == 300);
    }
}
