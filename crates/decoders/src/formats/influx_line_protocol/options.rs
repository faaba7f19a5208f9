//! The tags that a source may name.

use settings::{Fields, List, Text};

use crate::options::{FormatOptions, Options};

/// Which tags name what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tags {
    /// The tags that may name the device, first present wins; empty is the documented default.
    pub(super) device: Vec<String>,
    /// The tags whose values, joined by `.`, are the channel; empty is no channel.
    pub(super) channel: Vec<String>,
}

impl FormatOptions for Tags {}

/// `device_tags` and `channel_tags`.
pub(super) fn read(fields: &Fields<'_>) -> Options {
    let device = fields.optional(
        "device_tags",
        "The tags that may name the device; the first that is present wins.",
        List(Text),
    );
    let channel =
        fields.optional("channel_tags", "The tags whose values, joined by `.`, are the channel.", List(Text));
    Options::new(Tags { device: device.unwrap_or_default(), channel: channel.unwrap_or_default() })
}
