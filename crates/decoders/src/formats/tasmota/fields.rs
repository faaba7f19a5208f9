//! The names and units of Tasmota's sensors.

use crate::json::Object;
use crate::names;
use crate::walk::Named;

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

/// The units that a message states once for all of its sensors, as written; the firmware's defaults where it does not.
pub(super) struct Units {
    temperature: String,
    pressure: String,
    speed: String,
}

impl Units {
    pub(super) fn of(sensors: &Object) -> Self {
        let stated = |key: &str, default: &str| {
            let text =
                sensors.get(key).and_then(|member| member.node.as_str()).filter(|text| !text.is_empty());
            text.unwrap_or(default).to_owned()
        };
        Self {
            temperature: stated("TempUnit", "C"),
            pressure: stated("PressureUnit", "hPa"),
            speed: stated("SpeedUnit", "km/h"),
        }
    }

    /// Names a field. Within `ENERGY`, `Total`, `Today` and `Yesterday` are energy; `Period` is watt-hours of one
    /// telemetry period and stays so.
    pub(super) fn name_field(&self, parents: &[String], key: &str) -> Named {
        let is_about = |fields: &[&str]| fields.iter().any(|field| field.eq_ignore_ascii_case(key));
        let is_zigbee = parents.first().is_some_and(|parent| parent == "ZbReceived");
        // The state of a relay is `ON` or `OFF`, or 1 or 0 behind a bridge, and no power, whatever its name says.
        let is_relay = parents.is_empty() && key.starts_with("POWER") || is_zigbee && key == "Power";
        if is_relay || is_about(&NOT_MEASURED) || is_zigbee && is_about(&ABOUT_ZIGBEE) || names::is_link(key)
        {
            return Named::Skip;
        }
        let (metric, unit) = match (parents.first().map(String::as_str), key) {
            (Some("ENERGY"), "Total" | "Today" | "Yesterday") => (energy(key), Some("kWh")),
            (Some("ENERGY"), "ExportActive" | "ExportTariff") => {
                (names::snake_case(&format!("Energy{key}")), Some("kWh"))
            }
            (Some("ENERGY"), "Period") => ("energy_period".to_owned(), Some("Wh")),
            (Some("ENERGY"), "Frequency") => ("frequency".to_owned(), Some("Hz")),
            (_, "SeaPressure") => ("pressure_sea_level".to_owned(), Some(self.pressure.as_str())),
            _ => self.by_table(key),
        };
        Named::Metric { metric, unit: unit.map(str::to_owned), channel: None }
    }

    fn by_table(&self, key: &str) -> (String, Option<&str>) {
        let (metric, default) = names::canonical(key);
        let unit = match default {
            Some("Cel") => Some(self.temperature.as_str()),
            Some("hPa") => Some(self.pressure.as_str()),
            Some("m/s") => Some(self.speed.as_str()),
            _ => None,
        };
        (metric, unit)
    }
}

fn energy(key: &str) -> String {
    format!("energy_{}", key.to_ascii_lowercase())
}
