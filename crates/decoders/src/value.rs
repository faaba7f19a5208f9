//! What a platform writes as a value, and what it is.

use crate::json::{Node, Number};

/// A value before its unit is settled.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A finite number.
    Number {
        /// The number.
        value: f64,
        /// The unit that stood behind it in the same text (`30.11 °C`), as written.
        unit: Option<String>,
        /// It is an integer that no double holds; the value is the nearest one.
        lost_digits: bool,
    },
    /// `true` or `false`.
    Flag(bool),
    /// A text without NUL.
    Text(String),
    /// A spelling of "no value": nothing is stored.
    Missing,
}

impl Scalar {
    /// A number as it is.
    pub const fn number(value: f64) -> Self {
        Self::Number { value, unit: None, lost_digits: false }
    }

    /// A number as it was written with its double, and the unit behind it.
    fn measured((number, value): (&Number, f64), unit: Option<&str>) -> Self {
        Self::Number {
            value: without_negative_zero(value),
            unit: unit.map(str::to_owned),
            lost_digits: number.lost_digits(),
        }
    }

    /// What JSON calls it, with its article, for messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Number { .. } => "a number",
            Self::Flag(_) => "a boolean",
            Self::Text(_) => "a string",
            Self::Missing => "null",
        }
    }
}

/// Reads a text: `21.5` is a number, `30.11 °C` a number with a known unit, `00000101` a text, and `--`, `NaN`, `null`
/// or one of `missing` no value.
pub fn of_text(text: &str, missing: &[String]) -> Scalar {
    let trimmed = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    if is_missing(trimmed) || missing.iter().any(|spelling| spelling == trimmed) {
        return Scalar::Missing;
    }
    let (digits, rest) = split_number(trimmed);
    let unit = rest.trim();
    let is_number = !digits.is_empty() && !has_leading_zero(digits);
    // What no double holds is no quantity either: `58e212345678` is an address in hexadecimal.
    if is_number {
        let number = Number::new(digits);
        let value = number.value();
        if value.is_finite() && (unit.is_empty() || is_unit_of(digits, rest)) {
            if missing.iter().any(|spelling| spelling.parse() == Ok(value)) {
                return Scalar::Missing;
            }
            return Scalar::measured((&number, value), Some(unit).filter(|unit| !unit.is_empty()));
        }
    }
    Scalar::Text(text.replace('\0', ""))
}

/// Reads a JSON value that is neither an array nor an object.
///
/// # Errors
/// The reason, where it is a number that no double holds, or no single value.
pub fn of_node(node: &Node, missing: &[String]) -> Result<Scalar, String> {
    match node {
        Node::Null => Ok(Scalar::Missing),
        Node::Flag(flag) => Ok(Scalar::Flag(*flag)),
        Node::Text(text) => Ok(of_text(text, missing)),
        Node::Number(number) => match number.value() {
            value if !value.is_finite() => Err(beyond_a_double(number.text())),
            value if missing.iter().any(|spelling| spelling.parse() == Ok(value)) => Ok(Scalar::Missing),
            value => Ok(Scalar::measured((number, value), None)),
        },
        Node::List(_) | Node::Object(_) => Err(format!("expected one value, found {}", node.kind())),
    }
}

/// Reads a text where a quantity is meant: `21C` and `230V`, which may be names elsewhere, are numbers with a known unit.
pub fn of_quantity(text: &str) -> Option<Scalar> {
    let (digits, rest) = split_number(text.trim());
    let unit = rest.trim();
    let is_unit = rest.len() == 1 && event_model::units::canonical(0.0, unit, "").is_some();
    let number = Number::new(digits);
    let value = number.value();
    (is_unit && value.is_finite() && !has_leading_zero(digits))
        .then(|| Scalar::measured((&number, value), Some(unit)))
}

fn beyond_a_double(digits: &str) -> String {
    format!("the number {} is beyond the range of a double", digits.chars().take(40).collect::<String>())
}

/// Whether what follows `digits` is a unit. `12C` and `3A` are names of rooms and gates: a whole number needs a space
/// before a single letter.
fn is_unit_of(digits: &str, rest: &str) -> bool {
    let unit = rest.trim();
    let reads_as_name = rest.len() == 1 && rest.starts_with(char::is_alphabetic) && !digits.contains('.');
    let begins_as_number = unit.starts_with(|first: char| first.is_ascii_digit());
    !reads_as_name && !begins_as_number && event_model::units::canonical(0.0, unit, "").is_some()
}

/// Whether a text says that there is no value: nothing, dashes as on a display (`--`, `----.-`), `null`, `NaN`,
/// `Infinity`, or Home Assistant's `unavailable` and `unknown`, in any spelling of case.
pub fn is_missing(text: &str) -> bool {
    let text = text.trim();
    if text.starts_with('-') && text.bytes().all(|byte| matches!(byte, b'-' | b'.')) {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    [
        "",
        "null",
        "none",
        "nan",
        "n/a",
        "inf",
        "infinity",
        "1.#qnan",
        "1.#inf",
        "undefined",
        "unavailable",
        "unknown",
    ]
    .iter()
    .any(|spelling| unsigned.eq_ignore_ascii_case(spelling) || text.eq_ignore_ascii_case(spelling))
}

/// A zero before another digit marks an identifier or a bit string, not a quantity.
fn has_leading_zero(digits: &str) -> bool {
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits).as_bytes();
    matches!(unsigned, [b'0', b'0'..=b'9', ..])
}

/// Splits off a decimal number at the start; the first part is empty if there is none.
fn split_number(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let digits_from = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits_from(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits_from(end + 1);
        if fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return ("", text);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(end + 1 + sign..).map_or(0, |_| digits_from(end + 1 + sign));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    text.split_at(end)
}

/// `-0.0` and `0.0` are one value, and PostgreSQL tells them apart in its text.
fn without_negative_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::{Scalar, of_node, of_quantity, of_text};
    use crate::json::Node;

    fn text(text: &str) -> Scalar {
        of_text(text, &[])
    }

    fn with_unit(value: f64, unit: &str) -> Scalar {
        Scalar::Number { value, unit: Some(unit.to_owned()), lost_digits: false }
    }

    #[test]
    fn numbers_in_texts_are_numbers() {
        assert_eq!(text("21.5"), Scalar::number(21.5));
        assert_eq!(text(" -0.5e-3 "), Scalar::number(-0.0005));
        assert_eq!(text(".5"), Scalar::number(0.5));
        assert_eq!(text("0"), Scalar::number(0.0));
        assert_eq!(text("0.00 %"), with_unit(0.0, "%"));
        assert_eq!(text("30.11 °C"), with_unit(30.11, "°C"));
        assert_eq!(text("3.384V"), with_unit(3.384, "V"));
        assert_eq!(text("0 uS/cm"), with_unit(0.0, "uS/cm"));
        let lost = |value| Scalar::Number { value, unit: None, lost_digits: true };
        assert_eq!(text("9007199254740993"), lost(9_007_199_254_740_992.0));
    }

    #[test]
    fn what_only_looks_like_a_number_stays_text() {
        for raw in [
            "00000101",
            "007",
            "21,5",
            "1.2.3",
            "12 monkeys",
            "0x1F",
            "setup",
            "-00.5",
            "12:30",
            "true",
            "12C",
            "1 1",
            ".",
            "--x",
            "58e212345678",
        ] {
            assert_eq!(text(raw), Scalar::Text(raw.to_owned()), "{raw}");
        }
        assert_eq!(text("ok\0"), Scalar::Text("ok".to_owned()));
    }

    #[test]
    fn a_letter_behind_a_whole_number_is_a_unit_where_a_quantity_is_meant() {
        assert_eq!(of_quantity("21C"), Some(with_unit(21.0, "C")));
        assert_eq!(of_quantity("230V"), Some(with_unit(230.0, "V")));
        for raw in ["21", "007V", "V", "21x", "21 monkeys"] {
            assert_eq!(of_quantity(raw), None, "{raw}");
        }
    }

    #[test]
    fn spellings_of_nothing_are_missing() {
        for raw in [
            "",
            " ",
            "-",
            "--",
            "--.-",
            "----.-",
            "null",
            "NaN",
            "-nan",
            "+Infinity",
            "inf",
            "N/A",
            "\0",
            "unavailable",
            "Unknown",
        ] {
            assert_eq!(text(raw), Scalar::Missing, "{raw}");
        }
        let missing = ["NA".to_owned(), "-999".to_owned()];
        for raw in ["NA", "-999", "-999.0"] {
            assert_eq!(of_text(raw, &missing), Scalar::Missing, "{raw}");
        }
        assert_eq!(of_node(&Node::parse(b"-999").unwrap(), &missing), Ok(Scalar::Missing));
        assert_eq!(of_node(&Node::Null, &[]), Ok(Scalar::Missing));
    }

    #[test]
    fn numbers_beyond_a_double_are_refused() {
        let reason = "the number 1e999 is beyond the range of a double";
        assert_eq!(of_node(&Node::parse(b"1e999").unwrap(), &[]).unwrap_err(), reason);
        assert_eq!(
            of_node(&Node::parse(b"-0.0").unwrap(), &[]).map(|scalar| format!("{scalar:?}")).unwrap(),
            format!("{:?}", Scalar::number(0.0))
        );
    }
}
