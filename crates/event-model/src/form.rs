//! The fields of a form or a query: `name=value&name=value` (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// A field as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'t> {
    /// The whole of it.
    pub raw: &'t str,
    /// What stands before the first `=`.
    pub raw_name: &'t str,
    /// What stands behind it; empty where there is none.
    pub raw_value: &'t str,
}

impl<'t> Field<'t> {
    /// The name, decoded.
    pub fn name(&self) -> Cow<'t, str> {
        decoded(self.raw_name)
    }

    /// The value, decoded.
    pub fn value(&self) -> Cow<'t, str> {
        decoded(self.raw_value)
    }
}

/// The fields in their order; empty ones (`&&`) too.
pub fn fields(text: &str) -> impl DoubleEndedIterator<Item = Field<'_>> {
    text.split('&').map(|raw| {
        let (raw_name, raw_value) = raw.split_once('=').unwrap_or((raw, ""));
        Field { raw, raw_name, raw_value }
    })
}

/// The text without the fields whose decoded name `is_dropped`; the others stay as they are written.
pub fn without(text: &str, is_dropped: impl Fn(&str) -> bool) -> String {
    let kept = fields(text).filter(|field| !is_dropped(&field.name()));
    kept.map(|field| field.raw).collect::<Vec<_>>().join("&")
}

/// A name or a value without its encoding: `+` is a space. Bytes that are no UTF-8 become U+FFFD.
pub fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        return Cow::Owned(percent_decoded(&text.replace('+', " ")).into_owned());
    }
    percent_decoded(text)
}

/// What a header field's value does not hold as it is, besides all that is not ASCII.
const NOT_IN_A_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// A text as the value of a header field, percent-encoded.
pub fn header_value(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_A_HEADER).to_string()
}

/// A path without its percent-encoding. Bytes that are no UTF-8 become U+FFFD.
pub fn percent_decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::{fields, without};

    #[test]
    fn names_and_values_are_decoded() {
        let pairs: Vec<_> = fields("a=1+2&%62=%C3%BC=x&c").map(|f| (f.name(), f.value())).collect();
        assert_eq!(pairs, [("a".into(), "1 2".into()), ("b".into(), "ü=x".into()), ("c".into(), "".into())]);
    }

    #[test]
    fn what_stays_is_written_as_it_was() {
        assert_eq!(without("a=1+2&%62=2&&b=3&c=%41", |name| name == "b"), "a=1+2&&c=%41");
        assert_eq!(without("", |_| true), "");
    }
}
