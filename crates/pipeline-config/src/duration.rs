//! Durations and rates as the file writes them: `90s`, `10m`, `2h`, `1d`; `100/s`.

use std::time::Duration;

use crate::source::Rate;

/// The longest duration that is taken: 366 days.
pub(crate) const MAX: Duration = Duration::from_secs(366 * 86_400);

/// What a text should look like that is no duration.
pub(crate) const DURATION_FORM: &str = "a duration like `90s`, `10m`, `2h` or `1d`, at most 366 days";
/// What a text should look like that is no rate.
pub(crate) const RATE_FORM: &str = "a rate like `100/s`, `6000/m` or `10000/h`";

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

/// Reads a rate: a whole number above 0, `/`, and `s`, `m` or `h`.
pub(crate) fn parse_rate(text: &str) -> Option<Rate> {
    let (count, unit) = text.split_once('/')?;
    let requests: u32 = count.trim().parse().ok().filter(|&count| count > 0)?;
    let per = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Rate { requests, per: Duration::from_secs(per) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse, parse_rate};

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

    #[test]
    fn a_rate_is_a_count_in_a_time() {
        let rate = parse_rate("100/s").unwrap();
        assert_eq!((rate.requests, rate.per), (100, Duration::from_secs(1)));
        for text in ["0/s", "100", "-1/s", "100/d", "/s", "1.5/s"] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }
}
