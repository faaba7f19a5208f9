//! What no database keeps.

use std::borrow::Cow;

/// The text as PostgreSQL can keep it: NUL becomes U+FFFD, so that two texts stay two.
pub fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}
