//! What no database keeps.

/// The text as PostgreSQL can keep it: NUL becomes U+FFFD, so that two texts stay two.
pub fn storable(text: impl Into<String>) -> String {
    let text = text.into();
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
