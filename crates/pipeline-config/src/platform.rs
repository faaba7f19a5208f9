//! What the reader needs to know of the formats.

use decoders::Decoder;

/// The formats' names, in the order of the alphabet.
pub(crate) fn formats() -> Vec<&'static str> {
    decoders::all().iter().map(|format| format.name()).collect()
}

/// Whether a mapping finds the format's fields.
pub(crate) fn takes_mapping(format: &str) -> bool {
    decoders::by_name(format).is_some_and(Decoder::takes_mapping)
}

/// Whether a format has tags, which may name device and channel.
pub(crate) fn has_tags(format: &str) -> bool {
    decoders::by_name(format).is_some_and(Decoder::has_tags)
}

/// How little patience a format's senders have.
pub(crate) fn impatience(format: &str) -> Option<&'static str> {
    decoders::by_name(format)?.impatience()
}
