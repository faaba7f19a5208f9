//! Patterns of names, and names as they are compared.

use std::borrow::Cow;

use serde::Serialize;

/// A pattern in which `*` stands for any run of characters and `?` for any one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Glob(pub String);

impl Glob {
    /// Whether the whole of `text` fits; upper and lower case differ. An EUI-64 or a MAC address is the same in any case and
    /// with any separators: consoles show `2C-F7-F1-C0-AB-12-00-01` where messages have `2cf7f1c0ab120001`.
    pub fn matches(&self, text: &str) -> bool {
        match address(text) {
            Some(address) => fits(&digits(&self.0), &address),
            None => fits(&self.0, text),
        }
    }
}

/// The name of a device as it is compared: an EUI-64 or a MAC address in lower case and without its separators, every other name
/// as it is.
pub fn compared(device: &str) -> Cow<'_, str> {
    address(device).map_or(Cow::Borrowed(device), Cow::Owned)
}

/// The digits of an EUI-64 or a MAC address.
fn address(text: &str) -> Option<String> {
    let is_separator = |byte: &u8| matches!(byte, b'-' | b':');
    // With its separators an address has no more than 23 characters.
    if text.len() > 23 || !text.bytes().all(|byte| byte.is_ascii_hexdigit() || is_separator(&byte)) {
        return None;
    }
    let address = digits(text);
    matches!(address.len(), 12 | 16).then_some(address)
}

/// In lower case and without the separators of an address.
fn digits(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '-' | ':')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether the whole of `text` fits `pattern`.
fn fits(pattern: &str, text: &str) -> bool {
    let Some(wildcard) = pattern.find(['*', '?']) else { return pattern == text };
    if !text.starts_with(&pattern[..wildcard]) {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands and how far it has eaten: going back to the last one alone is enough, so that no
    // pattern takes more than pattern x text steps.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, eaten)) = star else { return false };
                star = Some((at, eaten + 1));
                p = at + 1;
                t = eaten + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::{Glob, compared};

    #[test]
    fn globs_match_the_whole_name() {
        for (pattern, text, expected) in [
            ("gh-*", "gh-12", true),
            ("gh-*", "gh-", true),
            ("gh-*", "xgh-1", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "ü", true),
            ("??", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("**a", "bba", true),
            ("[ab]", "a", false),
            ("GH", "gh", false),
            ("2CF7F1C0AB120001", "2cf7f1c0ab120001", true),
            ("2CF7F1*", "2cf7f1c0ab120001", true),
            ("0017880103E7", "0017880103e7", true),
            ("2cf7f1c0ab120001", "2CF7F1C0AB120001", true),
            ("2C-F7-F1-C0-AB-12-00-01", "2cf7f1c0ab120001", true),
            ("a4:c1:38:*", "A4:C1:38:7F:C1:E1", true),
            ("a4-c1-39-*", "A4:C1:38:7F:C1:E1", false),
            ("2CF7F1C0AB12000X", "2cf7f1c0ab12000x", false),
        ] {
            assert_eq!(Glob(pattern.into()).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn an_address_is_compared_without_its_case_and_separators() {
        for spelling in ["2CF7F1C0AB120001", "2c-f7-f1-c0-ab-12-00-01", "2cf7f1c0ab120001"] {
            assert_eq!(compared(spelling), "2cf7f1c0ab120001");
        }
        assert_eq!(compared("A4:C1:38:7F:C1:E1"), "a4c1387fc1e1");
        for name in ["GH-7", "", "2CF7F1C0AB12000X", "2CF7F1C0AB", "--------------------------"] {
            assert_eq!(compared(name), name);
        }
    }

    #[test]
    fn a_pattern_of_stars_ends_quickly() {
        assert!(!Glob("*a".repeat(50)).matches(&"b".repeat(5_000)));
    }
}
