//! Durations as a file writes them: `90s`, `10m`, `2h`, `1d`.

use std::time::Duration;

/// The longest duration that is taken: 366 days.
const MAX: Duration = Duration::from_secs(366 * 86_400);

/// What a text should look like that is no duration.
pub(crate) const FORM: &str = "a duration like `90s`, `10m`, `2h` or `1d`, at most 366 days";

/// Reads a duration: one or more whole numbers, each with `ms`, `s`, `m`, `h` or `d` (`1h30m`).
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let millis = match &after[..end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(count.checked_mul(millis)?))?;
        rest = &after[end..];
    }
    (!text.is_empty() && total <= MAX).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;

    #[test]
    fn durations_read_as_people_write_them() {
        let table = [("90s", 90), ("10m", 600), ("1h30m", 5_400), ("2h", 7_200), ("1d", 86_400), ("0s", 0)];
        for (text, seconds) in table {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1500ms"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "5 m", "-5m", "m", "5y", "1.5h", "400d", "99999999999999999999s", "5mm"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
