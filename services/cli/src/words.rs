//! Facts of the database in a few characters.

use jiff::{SignedDuration, Timestamp};
use runtime::{Clock, Failure};
use serde_json::Value;

/// How long ago, to one unit: `3m`, `2h`, `12d`.
pub fn ago(elapsed: SignedDuration) -> String {
    match elapsed.as_secs() {
        seconds if seconds < 60 => format!("{}s", seconds.max(0)),
        seconds if seconds < 3_600 => format!("{}m", seconds / 60),
        seconds if seconds < 2 * 86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Tags as `key=value` with spaces between them.
pub fn tags(tags: &Value) -> String {
    let Value::Object(tags) = tags else { return String::new() };
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}={text}"),
        other => format!("{key}={other}"),
    };
    tags.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// A number without digits that mean nothing.
pub fn number(value: f64) -> String {
    rules::template::number(value)
}

/// Why a request had no answer, without the address, which may hold a secret.
pub fn no_answer(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "not in time".to_owned();
    }
    let cause = std::error::Error::source(&error).map_or_else(|| Failure::of(&error), Failure::of);
    cause.message().to_owned()
}

/// What came back that is no success: the status, and the reason where one was given.
pub fn answered(who: &str, status: u16, reason: &str) -> String {
    let joint = if reason.is_empty() { "" } else { ": " };
    format!("{who} answered {status}{joint}{reason}")
}

/// A URL; without a scheme it is one of `http`.
///
/// # Errors
/// What is wrong with it.
pub fn url(text: &str) -> Result<reqwest::Url, String> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: reqwest::Url = whole.parse().map_err(|error| format!("{error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        return Ok(url);
    }
    Err("expected an http or https URL, such as http://127.0.0.1:8080".to_owned())
}

/// A time without what is finer than a second.
pub fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A point in time: a time (RFC 3339), a day (its midnight in UTC), or how long ago.
///
/// # Errors
/// What is expected.
pub fn time(text: &str) -> Result<Timestamp, String> {
    at(text, Clock::system().now()).ok_or_else(|| {
        "expected a time like 2026-11-28T06:00:00Z, a day like 2026-11-28 (from midnight, UTC) or an age like 24h"
            .to_owned()
    })
}

fn at(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse() {
        return Some(time);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        return day.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|midnight| midnight.timestamp());
    }
    let age = pipeline_config::parse_duration(text).filter(|_| !text.is_empty())?;
    now.checked_sub(SignedDuration::try_from(age).ok()?).ok()
}

/// Says on standard error that there may be more than what was printed.
pub fn say_if_cut(printed: usize, limit: u32) {
    if printed == limit as usize {
        eprintln!("the first {limit} are shown; --limit shows more");
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::{ago, at, tags, url};

    #[test]
    fn a_point_in_time_is_a_time_a_day_or_an_age() {
        let now = "2026-11-29T06:00:00Z".parse().unwrap();
        let table = [
            ("2026-11-28T06:30:00+01:00", "2026-11-28T05:30:00Z"),
            ("2026-11-28", "2026-11-28T00:00:00Z"),
            ("24h", "2026-11-28T06:00:00Z"),
            ("90s", "2026-11-29T05:58:30Z"),
        ];
        for (text, expected) in table {
            assert_eq!(at(text, now).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in ["yesterday", "", "2026-13-01", "-1h"] {
            assert_eq!(at(text, now), None, "{text}");
        }
    }

    #[test]
    fn a_url_without_a_scheme_is_one_of_http() {
        assert_eq!(url("127.0.0.1:18600").unwrap().as_str(), "http://127.0.0.1:18600/");
        assert_eq!(url("localhost:8080/hooks/a").unwrap().as_str(), "http://localhost:8080/hooks/a");
        assert_eq!(url("https://a.example/b?c=d").unwrap().as_str(), "https://a.example/b?c=d");
        for text in ["", "ftp://a", "http://"] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_told_to_one_unit() {
        for (seconds, words) in [(-3, "0s"), (59, "59s"), (61, "1m"), (7_300, "2h"), (172_800, "2d")] {
            assert_eq!(ago(SignedDuration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn tags_stand_in_one_column() {
        assert_eq!(tags(&json!({"floor": 2, "site": "north"})), "floor=2 site=north");
        assert_eq!(tags(&json!(null)), "");
    }
}
