//! The names and units of what Zigbee devices publish.
//!
//! Source: the generic exposes of Koenkk/zigbee-herdsman-converters (`src/lib/exposes.ts`), from which the pages of devices are
//! made.

use std::borrow::Cow;

use event_model::Name;

use crate::json::{Node, Object};
use crate::names;
use crate::value::{self, Scalar};
use crate::walk::{Named, Part};

/// The unit of a property, as Zigbee2MQTT documents it.
#[rustfmt::skip]
const UNITS: &[(&str, &str)] = &[
    ("ac_frequency", "Hz"),
    ("battery", "%"),
    ("co", "ppm"),
    ("co2", "ppm"),
    ("cpu_temperature", "Cel"),
    ("current", "A"),
    ("current_cooling_setpoint", "Cel"),
    ("current_heating_setpoint", "Cel"),
    ("device_temperature", "Cel"),
    ("eco2", "ppm"),
    ("energy", "kWh"),
    ("energy_produced", "kWh"),
    ("formaldehyd", "mg/m3"),
    ("hcho", "mg/m3"),
    ("humidity", "%"),
    ("illuminance", "lx"),
    ("local_temperature", "Cel"),
    ("noise", "dB"),
    ("occupied_cooling_setpoint", "Cel"),
    ("occupied_heating_setpoint", "Cel"),
    ("pi_heating_demand", "%"),
    ("pm1", "ug/m3"),
    ("pm10", "ug/m3"),
    ("pm25", "ug/m3"),
    ("position", "%"),
    ("power", "W"),
    ("power_apparent", "VA"),
    ("power_reactive", "var"),
    ("pressure", "hPa"),
    ("produced_energy", "kWh"),
    ("soil_moisture", "%"),
    ("temperature", "Cel"),
    ("unoccupied_heating_setpoint", "Cel"),
    ("voc", "ug/m3"),
    ("voltage", "V"),
];

/// Properties about the message (`elapsed`: milliseconds since the one before) and the device.
const NOT_MEASURED: [&str; 3] = ["last_seen", "elapsed", "device"];

/// Names a property of a state. What is nested (`color`, `update`) is named by the table.
pub(super) fn name_field(state: &Object, parents: &[Cow<'_, str>], key: &str) -> Named {
    let is_about = |key: &str| NOT_MEASURED.contains(&key) || key.starts_with("device-");
    if names::is_link(key) || is_about(parents.first().map_or(key, |parent| parent)) {
        return Named::Skip;
    }
    if !parents.is_empty() {
        return Named::by_table(key);
    }
    match key {
        "voltage" => return measured(voltage(state), None),
        "illuminance" if has_lux_beside(state) => {
            let is_raw =
                state.get(key).map(|member| &member.node) != state.get(LUX).map(|member| &member.node);
            return if is_raw { metric(Name::known("illuminance_raw")) } else { Named::Skip };
        }
        LUX => return measured((Name::known("illuminance"), "lx"), None),
        _ => {}
    }
    of_unit(key, None).or_else(|| of_endpoint(key)).unwrap_or_else(|| metric(names::metric(key)))
}

/// Before version 2 `illuminance` was the raw value of many devices, and this the one in lux.
const LUX: &str = "illuminance_lux";

fn has_lux_beside(state: &Object) -> bool {
    state.get(LUX).is_some_and(|member| member.node != Node::Null)
}

/// `voltage` is that of the mains, in volts, or that of the battery, in millivolts. A battery is beside `battery` or
/// `battery_low`, or has more than what any mains has; a converter that divided by 1000 already leaves less than 100.
fn voltage(state: &Object) -> (Name, &'static str) {
    let value = state.get("voltage").and_then(|member| match value::of_node(&member.node, &[]) {
        Ok(Scalar::Number { value, .. }) => Some(value),
        _ => None,
    });
    let has_battery = state.contains_key("battery") || state.contains_key("battery_low");
    let battery = Name::known("battery_voltage");
    match value {
        Some(value) if value > 1500.0 => (battery, "mV"),
        Some(value) if has_battery && value >= 100.0 => (battery, "mV"),
        Some(_) if has_battery => (battery, "V"),
        _ => (Name::known("voltage"), "V"),
    }
}

/// A property of the table; sums of energy are counters.
fn of_unit(key: &str, part: Option<Part>) -> Option<Named> {
    let (_, unit) = UNITS.iter().find(|(known, _)| *known == key)?;
    let metric = match key {
        "energy" => Name::known("energy_total"),
        "produced_energy" | "energy_produced" => Name::known("energy_produced"),
        "power_apparent" => Name::known("apparent_power"),
        "power_reactive" => Name::known("reactive_power"),
        _ => names::metric(key),
    };
    Some(measured((metric, unit), part))
}

/// `power_phase_b`, `temperature_l2`: a property of the table behind which the endpoint stands that it is of.
fn of_endpoint(key: &str) -> Option<Named> {
    let ends = key.match_indices('_').map(|(at, _)| at).filter(|_| key.len() <= MAX_KEY);
    ends.into_iter().find_map(|at| {
        let endpoint = &key[at + 1..];
        is_endpoint(endpoint).then(|| of_unit(&key[..at], Some(Part::Below(endpoint.to_owned()))))?
    })
}

/// The longest property with an endpoint that is looked at.
const MAX_KEY: usize = 64;

/// Names of endpoints (zigbee2mqtt `lib/util/utils.ts`), and of phases.
fn is_endpoint(text: &str) -> bool {
    let number = text.strip_prefix('l').unwrap_or(text);
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        || ["phase_a", "phase_b", "phase_c", "neutral", "left", "right", "center", "top", "bottom"]
            .contains(&text)
}

fn measured((metric, unit): (Name, &'static str), part: Option<Part>) -> Named {
    Named::Metric { metric, unit: Some(Name::known(unit)), part }
}

fn metric(metric: Name) -> Named {
    Named::Metric { metric, unit: None, part: None }
}
