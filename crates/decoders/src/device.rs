//! Device names: one spelling per device, and nothing in them that a log, a header or a database cannot hold.

use event_model::Name;
use event_model::name::is_printable;
use unicode_normalization::UnicodeNormalization;

use crate::names::cut;

/// The longest name of a device, channel, metric or unit, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// The longest spelling of a name that is looked at; NFC and snake_case make none so much shorter.
pub const MAX_RAW_BYTES: usize = 4 * MAX_NAME_BYTES;

/// The device's name in Unicode NFC and without surrounding white space.
///
/// # Errors
/// The reason why it names no device: characters that are not printable ([`is_printable`]) or were no text, nothing at all,
/// or too long.
pub fn normalise(raw: &str) -> Result<String, &'static str> {
    const TOO_LONG: &str = "the device's name is longer than 512 bytes";
    if raw.len() > MAX_RAW_BYTES {
        return Err(TOO_LONG);
    }
    let raw = raw.trim();
    // ASCII is in every normal form.
    let name = if raw.is_ascii() { raw.to_owned() } else { raw.nfc().collect() };
    if name.is_empty() {
        Err("the device's name is empty")
    } else if !name.chars().all(is_printable) {
        Err("the device's name holds a control character")
    } else if name.contains(char::REPLACEMENT_CHARACTER) {
        Err(
            "the device's name holds U+FFFD, which stands for what was no text: others may have the same name",
        )
    } else if name.len() > MAX_NAME_BYTES {
        Err(TOO_LONG)
    } else {
        Ok(name)
    }
}

/// A channel's name: as [`normalise`], but what is not printable is left out and what is too long is cut.
pub fn channel(raw: &str) -> Name {
    let raw = cut(raw, MAX_RAW_BYTES).trim();
    if raw.len() <= MAX_NAME_BYTES && raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return raw.into();
    }
    let mut name = String::new();
    for character in raw.nfc().filter(|character| is_printable(*character)) {
        if name.len() + character.len_utf8() > MAX_NAME_BYTES {
            break;
        }
        name.push(character);
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::{channel, normalise};

    #[test]
    fn composed_and_decomposed_spellings_name_one_device() {
        assert_eq!(normalise("Pru\u{308}fstand"), normalise("Prüfstand"));
        assert_eq!(normalise(" d'; drop table x --"), Ok("d'; drop table x --".to_owned()));
    }

    #[test]
    fn control_characters_and_nothing_are_refused() {
        for raw in [
            "a\0b",
            "a\nb",
            "",
            "  ",
            "\u{85}x\u{7f}",
            "gh\u{202e}7-",
            "\u{2067}a",
            "a\u{200f}b",
            "K\u{fffd}hlhaus",
        ] {
            assert!(normalise(raw).is_err(), "{raw:?}");
        }
        assert!(normalise(&"x".repeat(513)).is_err());
    }

    #[test]
    fn a_channel_is_cut_at_a_character() {
        assert_eq!(channel("a\0b"), "ab");
        assert_eq!(channel("a\u{202e}b\u{2029}"), "ab");
        assert_eq!(channel(&"ü".repeat(300)).len(), 512);
    }
}
