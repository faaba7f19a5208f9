//! Whether `java.net.URI` takes a text: what the Kafka Broker asks of `source` and `dataschema`.

use cloudevents::{AttributesReader as _, Event};

/// The characters of RFC 2396 that are neither letters, digits nor escapes, and its unwise `[` and `]`.
const PUNCTUATION: &[u8] = b"-_.!~*'();/?:@&=+$,#[]";

/// `source` and `dataschema` must be what Java takes for a URI.
pub(crate) fn check_uris(event: &Event) -> Result<(), String> {
    if !is_java_uri(event.source()) {
        return Err("the source is no URI".to_owned());
    }
    match event.dataschema() {
        Some(schema) if !is_java_uri(schema.as_str()) => Err("the dataschema is no URI".to_owned()),
        _ => Ok(()),
    }
}

/// Whether the text is a URI reference as `java.net.URI`'s parser reads it. Letters beyond ASCII are taken.
fn is_java_uri(text: &str) -> bool {
    characters_fit(text) && text.matches('#').count() <= 1 && scheme_fits(text)
}

fn characters_fit(text: &str) -> bool {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fits = match first {
            '%' => rest.as_bytes().get(1..3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)),
            ascii if ascii.is_ascii() => {
                ascii.is_ascii_alphanumeric() || PUNCTUATION.contains(&(ascii as u8))
            }
            other => !other.is_control() && !other.is_whitespace(),
        };
        if !fits {
            return false;
        }
        rest = &rest[first.len_utf8()..];
    }
    true
}

/// A colon before the first `/`, `?` or `#` ends a scheme, which starts with a letter and is followed by something.
fn scheme_fits(text: &str) -> bool {
    let Some(end) = text.find([':', '/', '?', '#']) else { return true };
    if text.as_bytes()[end] != b':' {
        return true;
    }
    let scheme = &text[..end];
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !text[end + 1..].is_empty()
        && !text[end + 1..].starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::is_java_uri;

    #[test]
    fn what_java_takes_is_taken() {
        for text in ["/sources/a", "urn:x:y", "http://a/b?c=d#e", "a%20b", "é", "a", "../b", "mailto:a@b"] {
            assert!(is_java_uri(text), "{text}");
        }
    }

    #[test]
    fn what_java_refuses_is_refused() {
        for text in
            ["a b", "a|b", "{x}", "a%2", "a%zz", "a^b", "\"a\"", ":a", "1a:b", "a:", "a#b#c", "<a>", "a\\b"]
        {
            assert!(!is_java_uri(text), "{text}");
        }
    }
}
