//! Names: of devices, channels, metrics and units. There are few of them and they stand beside every value.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use serde::{Serialize, Serializer};
use smol_str::SmolStr;

/// A text that is cheap to clone: one of the program's own, a short one, or a long one that all its clones share.
#[derive(Clone, Default)]
pub struct Name(SmolStr);

impl Name {
    /// A name that the program knows.
    pub const fn known(text: &'static str) -> Self {
        Self(SmolStr::new_static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the text of `other`, if it is the same, so that it is held once.
    pub fn share(&mut self, other: &Self) {
        if self == other {
            self.clone_from(other);
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other)
    }
}

/// As the text, so that a set of names can be asked for a text.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Whether a name may hold the character: it neither ends a line nor steers a terminal (control characters, U+2028 and
/// U+2029), and does not turn the text around it (Unicode's property `Bidi_Control`).
pub fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// The text on one line and in its own order: what is not printable ([`is_printable`]) becomes a space.
pub fn one_line(text: &str) -> String {
    text.chars().map(|character| if is_printable(character) { character } else { ' ' }).collect()
}

/// The text in one line, with U+FFFD for what is not printable.
pub fn printable(text: impl Into<String>) -> String {
    let text = text.into();
    let is_printable = |byte: u8| matches!(byte, b' '..=b'~');
    if text.bytes().all(is_printable) {
        return text;
    }
    text.chars().map(|character| if self::is_printable(character) { character } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Name, is_printable, printable};

    #[test]
    fn a_name_is_its_text_whoever_owns_it() {
        let (known, given) = (Name::known("temperature"), Name::from("temperature"));
        assert_eq!(known, given);
        assert!(HashSet::from([known]).contains("temperature"));
    }

    #[test]
    fn equal_names_share_one_text() {
        const LONG: &str = "probe in the third row of the greenhouse";
        let first = Name::from(LONG);
        let mut second = Name::from(LONG);
        second.share(&first);
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
    }

    #[test]
    fn what_ends_a_line_or_turns_the_text_is_replaced() {
        assert_eq!(printable("north\nResolved\u{1b}[31m"), "north\u{fffd}Resolved\u{fffd}[31m");
        assert_eq!(
            printable("a\u{202e}b\u{2066}c\u{200f}d\u{2028}e"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"
        );
        assert_eq!(printable("Büro 7 \u{1f321}"), "Büro 7 \u{1f321}");
        assert!(!is_printable('\u{85}') && is_printable('\u{200d}'));
    }
}
