//! Enums whose values are words.

use thiserror::Error;

/// A word that the enum which was asked does not have: a mistake, or a later release's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is no {what}")]
pub struct UnknownWord {
    pub(crate) what: &'static str,
    pub(crate) word: String,
}

/// `ALL`, `as_str`, `Display` and `FromStr` of an enum whose values are words.
macro_rules! words {
    ($name:ident, $what:literal, { $($variant:ident = $word:literal),+ }) => {
        impl $name {
            /// Every value, in its order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that the database, labels and messages keep.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::word::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|value| value.as_str() == word);
                found.copied().ok_or_else(|| $crate::word::UnknownWord { what: $what, word: word.to_owned() })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;
