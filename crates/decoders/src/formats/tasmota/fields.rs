//! The names and units of Tasmota's sensors.

use std::borrow::Cow;

use event_model::Name;

use crate::json::{Node, Object};
use crate::names;
use crate::walk::{Named, Part};

/// Fields that say something about the message or the sensor, and measure nothing; in any case, since the drivers differ.
const NOT_MEASURED: [&str; 12] = [
    "Time",
    "Epoch",
    "Id",
    "TotalStartTime",
    "TempUnit",
    "PressureUnit",
    "SpeedUnit",
    "VolumeUnit",
    "Model",
    "Address",
    "Firmware",
    "MAC",
];

/// What a Zigbee bridge says in `ZbReceived` about the device whose attributes it passes on.
const ABOUT_ZIGBEE: [&str; 5] = ["Device", "Name", "Endpoint", "Group", "Cluster"];

/// What tells senders apart that come under one name, one after the other: `IBEACON`'s address, and the endpoint of a
/// Zigbee device that has several. `None` where there is nothing, or the name has the end of the address already
/// (`ATC123456`).
///
/// Source: Tasmota documentation, "Bluetooth" (`"IBEACON":{"MAC":"A4C1387FC1E1","RSSI":-56,"STATE":"ON"}`), "Zigbee".
fn sender<'s>(sensors: &'s Object, parents: &[Cow<'_, str>]) -> Option<&'s str> {
    let (name, rest) = parents.split_first()?;
    let mut node = &sensors.get(&**name)?.node;
    if name == "ZbReceived" {
        let endpoint = node.get(rest.first()?)?.get("Endpoint")?.as_name()?;
        return Some(endpoint).filter(|endpoint| *endpoint != "1");
    }
    if let (Node::List(items), Some(index)) = (node, rest.first()) {
        node = items.get(index.parse::<usize>().ok()?)?;
    }
    let (_, address) =
        node.as_object()?.iter().take(MAX_LOOKED_AT).find(|(key, _)| key.eq_ignore_ascii_case("mac"))?;
    let address = address.node.as_str().filter(|address| is_address(address))?;
    let is_named = |tail: &str| name.to_ascii_uppercase().ends_with(&tail.to_ascii_uppercase());
    (!is_named(&address[address.len() - 6..])).then_some(address)
}

/// How many members of a sensor are looked at for its address: each of its values asks for it.
const MAX_LOOKED_AT: usize = 64;

/// Six bytes in hexadecimal.
fn is_address(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The units that a message states once for all of its sensors, as written; the firmware's defaults where it does not.
pub(super) struct Units {
    temperature: Name,
    pressure: Name,
    speed: Name,
}

impl Units {
    pub(super) fn of(sensors: &Object) -> Self {
        let stated = |key: &str, default: &'static str| {
            let text =
                sensors.get(key).and_then(|member| member.node.as_str()).filter(|text| !text.is_empty());
            text.map_or(Name::known(default), Name::from)
        };
        Self {
            temperature: stated("TempUnit", "C"),
            pressure: stated("PressureUnit", "hPa"),
            speed: stated("SpeedUnit", "km/h"),
        }
    }

    /// Names a field. Within `ENERGY`, `Total`, `Today` and `Yesterday` are energy; `Period` is watt-hours of one
    /// telemetry period and stays so.
    pub(super) fn name_field(&self, sensors: &Object, parents: &[Cow<'_, str>], key: &str) -> Named {
        let is_about = |fields: &[&str]| fields.iter().any(|field| field.eq_ignore_ascii_case(key));
        let is_zigbee = parents.first().is_some_and(|parent| parent == "ZbReceived");
        // The state of a relay is `ON` or `OFF`, or 1 or 0 behind a bridge, and no power, whatever its name says.
        let is_relay = parents.is_empty() && key.starts_with("POWER") || is_zigbee && key == "Power";
        if is_relay || is_about(&NOT_MEASURED) || is_zigbee && is_about(&ABOUT_ZIGBEE) || names::is_link(key)
        {
            return Named::Skip;
        }
        let (metric, unit) = match (parents.first().map(|parent| &**parent), key) {
            (Some("ENERGY"), "Total" | "Today" | "Yesterday") => {
                (Name::from(energy(key)), Some(Name::known("kWh")))
            }
            (Some("ENERGY"), "ExportActive" | "ExportTariff") => {
                (names::snake_case(&format!("Energy{key}")).into(), Some(Name::known("kWh")))
            }
            (Some("ENERGY"), "Period") => (Name::known("energy_period"), Some(Name::known("Wh"))),
            (Some("ENERGY"), "Frequency") => (Name::known("frequency"), Some(Name::known("Hz"))),
            (_, "SeaPressure") => (Name::known("pressure_sea_level"), Some(self.pressure.clone())),
            _ => self.by_table(key),
        };
        Named::Metric {
            metric,
            unit,
            part: sender(sensors, parents).map(|sender| Part::Below(sender.to_owned())),
        }
    }

    fn by_table(&self, key: &str) -> (Name, Option<Name>) {
        let (metric, default) = names::canonical(key);
        let unit = match default {
            Some("Cel") => Some(self.temperature.clone()),
            Some("hPa") => Some(self.pressure.clone()),
            Some("m/s") => Some(self.speed.clone()),
            _ => None,
        };
        (metric, unit)
    }
}

fn energy(key: &str) -> String {
    format!("energy_{}", key.to_ascii_lowercase())
}
