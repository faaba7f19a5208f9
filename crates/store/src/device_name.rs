//! How names of devices are compared.

/// When a device was last seen that has not sent, for texts that are made of others at compile time.
macro_rules! never {
    () => {
        "timestamptz '1970-01-01 00:00:00+00'"
    };
}
pub(crate) use never;

/// The same for all others.
pub(crate) const NEVER: &str = never!();

/// A device's name as entries have it: an EUI-64 or a MAC address in lower case and without its separators. In SQL, of an
/// expression; `event_model::glob::compared` does the same.
pub(crate) fn folded(name: &str) -> String {
    format!(
        "case when {name} ~ '^[0-9A-Fa-f:-]{{12,23}}$' and length(translate({name}, ':-', '')) in (12, 16)
              then lower(translate({name}, ':-', '')) else {name} end"
    )
}
