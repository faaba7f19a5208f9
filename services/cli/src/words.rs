//! Facts of the database in a few characters.

use jiff::SignedDuration;
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

    use super::{ago, tags};

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
