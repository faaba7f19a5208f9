//! The attributes that a source may name.

use settings::{Fields, List, Text};

use crate::options::{FormatOptions, Options};

/// Which attributes name what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Attributes {
    /// The attributes that may name the device, first present wins; empty is the documented default.
    pub(super) device: Vec<String>,
    /// The attributes whose values, joined by `.`, are the channel; empty is no channel.
    pub(super) channel: Vec<String>,
}

impl FormatOptions for Attributes {}

/// `device_attributes` and `channel_attributes`.
pub(super) fn read(fields: &Fields<'_>) -> Options {
    let device = fields.optional(
        "device_attributes",
        "The attributes that may name the device; the first that is present wins.",
        List(Text),
    );
    let channel = fields.optional(
        "channel_attributes",
        "The attributes whose values, joined by `.`, are the channel.",
        List(Text),
    );
    Options::new(Attributes { device: device.unwrap_or_default(), channel: channel.unwrap_or_default() })
}
