//! The names that Milesight's codecs give.
//!
//! Source: Milesight-IoT/SensorDecoders: `battery` is in per cent in all of them; a device with several probes of a kind names them
//! `temperature_left`, `temperature_chn1`.

use std::borrow::Cow;

use event_model::Name;

use crate::formats::lorawan;
use crate::names;
use crate::walk::{Named, Part};

/// How the DevEUI of a device of Milesight's begins: the vendor's own prefix in the register of the IEEE.
const VENDOR: &str = "24e124";

/// Whether Milesight's codecs are those of the device.
pub(super) fn is_of_milesight(device: &str) -> bool {
    device.starts_with(VENDOR)
}

/// Names a field of Milesight's own codecs.
pub(super) fn name_field(parents: &[Cow<'_, str>], key: &str) -> Named {
    match lorawan::name_field(parents, key) {
        Named::Metric { metric, unit: None, part } if metric == "battery" => {
            Named::Metric { metric, unit: Some(Name::known("%")), part }
        }
        Named::Metric { metric, unit, part: None } => {
            probe(key).unwrap_or(Named::Metric { metric, unit, part: None })
        }
        other => other,
    }
}

/// A quantity of one of several probes.
fn probe(key: &str) -> Option<Named> {
    let (name, probe) = key.rsplit_once('_')?;
    let number = probe.strip_prefix("chn").or_else(|| probe.strip_prefix("ch"));
    let is_number =
        |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_probe = matches!(probe, "left" | "right") || number.is_some_and(is_number);
    let (metric, unit) = names::canonical(name);
    (is_probe && unit.is_some()).then(|| Named::Metric {
        metric,
        unit: None,
        part: Some(Part::Below(probe.to_owned())),
    })
}
