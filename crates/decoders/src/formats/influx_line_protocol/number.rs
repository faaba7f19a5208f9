//! Values that are not quoted, and timestamps.

use super::point::{FieldValue, SyntaxErrorKind};

/// Reads a field value that is no string.
pub(super) fn unquoted(token: &[u8]) -> Result<FieldValue<'static>, SyntaxErrorKind> {
    match token {
        [] => Err(SyntaxErrorKind::ExpectedFieldValue),
        [b't' | b'T' | b'f' | b'F', ..] => boolean(token).map(FieldValue::Boolean),
        [b'-' | b'.' | b'0'..=b'9', ..] => number(token),
        _ => Err(SyntaxErrorKind::UnknownType),
    }
}

/// Reads a timestamp, in whatever precision.
pub(super) fn timestamp(token: &[u8]) -> Result<i64, SyntaxErrorKind> {
    let text = integer_text(token).ok_or(SyntaxErrorKind::Timestamp)?;
    text.parse().map_err(|_| SyntaxErrorKind::OutOfRange)
}

fn boolean(token: &[u8]) -> Result<bool, SyntaxErrorKind> {
    match token {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => Ok(true),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => Ok(false),
        _ => Err(SyntaxErrorKind::Boolean),
    }
}

fn number(token: &[u8]) -> Result<FieldValue<'static>, SyntaxErrorKind> {
    match token {
        [digits @ .., b'i'] => {
            let text = integer_text(digits).ok_or(SyntaxErrorKind::Number)?;
            text.parse().map(FieldValue::Integer).map_err(|_| SyntaxErrorKind::OutOfRange)
        }
        [digits @ .., b'u'] => {
            let text =
                integer_text(digits).filter(|text| !text.starts_with('-')).ok_or(SyntaxErrorKind::Number)?;
            text.parse().map(FieldValue::Unsigned).map_err(|_| SyntaxErrorKind::OutOfRange)
        }
        _ => {
            let text = float_text(token).ok_or(SyntaxErrorKind::Number)?;
            let value: f64 = text.parse().map_err(|_| SyntaxErrorKind::Number)?;
            if value.is_finite() { Ok(FieldValue::Float(value)) } else { Err(SyntaxErrorKind::OutOfRange) }
        }
    }
}

/// `["-"] digits`.
fn integer_text(token: &[u8]) -> Option<&str> {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| std::str::from_utf8(token).ok()).flatten()
}

/// `["-"] (digits ["." [digits]] | "." digits) [exponent]`.
fn float_text(token: &[u8]) -> Option<&str> {
    let rest = token.strip_prefix(b"-").unwrap_or(token);
    let (whole, rest) = split_digits(rest);
    let (fraction, rest) = rest.strip_prefix(b".").map_or((0, rest), split_digits);
    let rest = match rest {
        [b'e' | b'E', exponent @ ..] => {
            let digits =
                exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
            let (count, rest) = split_digits(digits);
            (count > 0).then_some(rest)?
        }
        rest => rest,
    };
    (whole + fraction > 0 && rest.is_empty()).then(|| std::str::from_utf8(token).ok()).flatten()
}

fn split_digits(bytes: &[u8]) -> (usize, &[u8]) {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, &bytes[count..])
}
