//! How names of devices are compared.

/// A device's name as entries have it: an EUI-64 or a MAC address in lower case and without its separators. In SQL, of an
/// expression; `rules::compared` does the same.
pub(crate) fn folded(name: &str) -> String {
    format!(
        "case when {name} ~ '^[0-9A-Fa-f:-]{{12,23}}$' and length(translate({name}, ':-', '')) in (12, 16)
              then lower(translate({name}, ':-', '')) else {name} end"
    )
}
