//! The names and units of a Shelly's values.
//!
//! Sources: Shelly API documentation, Gen2+ "Components and Services" (Switch, Cover, Input, PM1, EM, EM1, EMData, EM1Data,
//! Temperature, Humidity, DevicePower, BluTrv, Webhook) and Gen1 (`/status`, `report_url`).

use std::borrow::Cow;

use event_model::Name;

use crate::json::{Node, Object};
use crate::names;
use crate::walk::{Named, Part};

/// The keys that name the device beside the values; the first that is present wins.
pub(super) const DEVICES: [&str; 6] = ["device", "device_id", "deviceId", "src", "id", "mac"];

/// The keys that say when, beside the values. Gen1's `time` is of a clock on the wall, and its `unixtime` goes before it.
pub(super) const TIMES: [&str; 4] = ["ts", "unixtime", "timestamp", "time"];

/// What else stands beside the values and measures nothing: where they come from, and what a Gen1 status says of the device.
const ABOUT_REPORT: [&str; 19] = [
    "component",
    "channel",
    "cid",
    "topic",
    "name",
    "method",
    "dst",
    "jsonrpc",
    "serial",
    "has_update",
    "cfg_changed_cnt",
    "uptime",
    "ram_total",
    "ram_free",
    "ram_lwm",
    "fs_size",
    "fs_free",
    "fs_mounted",
    "calibrated",
];

/// The components and parts of a status that tell of the device and its network, and the error of an answer.
const ABOUT_DEVICE: [&str; 22] = [
    "sys",
    "wifi",
    "eth",
    "ble",
    "cloud",
    "mqtt",
    "ws",
    "script",
    "ui",
    "matter",
    "knx",
    "modbus",
    "schedule",
    "bthome",
    "ota",
    "wifi_sta",
    "wifi_ap",
    "update",
    "actions_stats",
    "getinfo",
    "debug",
    "error",
];

/// What says something about a value or a timer, and measures nothing.
const NOT_MEASURED: [&str; 25] = [
    "id",
    "source",
    "flags",
    "is_valid",
    "has_timer",
    "timer_started",
    "timer_started_at",
    "timer_duration",
    "timer_remaining",
    "timestamp",
    "minute_ts",
    "by_minute",
    "counters",
    "last_updated_ts",
    "packet_id",
    "last_sequence",
    "last_direction",
    "last_command_source",
    "hwID",
    "units",
    "value_op",
    "restart_required",
    "user_calibrated_phase",
    "calibration",
    "transition",
];

/// Whether a component (`sys`, `script:1`) tells of the device and its network.
pub(super) fn is_about_device(component: &str) -> bool {
    ABOUT_DEVICE.contains(&kind(component))
}

/// The type of a component: `switch` of `switch:0`.
fn kind(component: &str) -> &str {
    component.split_once(':').map_or(component, |(kind, _)| kind)
}

/// The fields of one status.
pub(super) struct Fields<'s> {
    pub(super) status: &'s Object,
    /// The component that the whole status is of; empty where its keys are the components.
    pub(super) component: &'s str,
    /// Device and time lie beside the values.
    pub(super) is_flat: bool,
}

/// What Gen1 says for an external sensor that is not connected. (Home Assistant, integration `shelly`: `extTemp != 999`.)
const ABSENT: f64 = 999.0;

/// The values of external sensors.
const MAY_BE_ABSENT: [&str; 4] = ["tC", "tF", "hum", "temp"];

/// How deep a status is looked into for what stands beside a value.
const DEEPEST: usize = 6;

impl Fields<'_> {
    /// Names a field, given the keys before it.
    pub(super) fn name(&self, parents: &[Cow<'_, str>], key: &str) -> Named {
        let component = parents.first().map_or(self.component, |first| &**first);
        let is_beside = |keys: &[&str]| parents.is_empty() && self.is_flat && keys.contains(&key);
        if is_about_device(component)
            || NOT_MEASURED.contains(&key)
            || key == "errors"
            || key.ends_with("_errors")
            || parents.is_empty() && key == "ts"
            || is_beside(&DEVICES)
            || is_beside(&TIMES)
            || is_beside(&ABOUT_REPORT)
            || names::is_link(key)
        {
            return Named::Skip;
        }
        let beside = self.object(parents);
        let is_there = |other: &str| {
            beside.and_then(|object| object.get(other)).is_some_and(|member| member.node != Node::Null)
        };
        let is_invalid = beside
            .and_then(|object| object.get("is_valid"))
            .is_some_and(|member| member.node == Node::Flag(false));
        let part = parents.last().map_or("", |last| &**last);
        // A relay of Gen1 has its temperature twice.
        let is_repeated = part == "tmp" && self.status.contains_key("temperature");
        let is_absent = MAY_BE_ABSENT.contains(&key)
            && beside.and_then(|object| object.get(key)?.node.as_name()?.parse().ok()) == Some(ABSENT);
        if is_invalid || is_repeated || is_absent || twin_of(part, key).is_some_and(is_there) {
            return Named::Skip;
        }
        let unit = beside.and_then(|object| object.get("units")?.node.as_str());
        of_part((kind(component), part, key), unit).unwrap_or_else(|| of_key(key))
    }

    /// The object in which the field lies.
    fn object(&self, parents: &[Cow<'_, str>]) -> Option<&Object> {
        let mut object = self.status;
        let mut parents = parents.iter().take(DEEPEST + 1);
        if parents.len() > DEEPEST {
            return None;
        }
        while let Some(parent) = parents.next() {
            let mut node = &object.get(&**parent)?.node;
            while let Node::List(items) = node {
                node = items.get(parents.next()?.parse::<usize>().ok()?)?;
            }
            object = node.as_object()?;
        }
        Some(object)
    }
}

/// The key that says the same in degrees Celsius. (`value` of Gen1's `tmp` is in the unit that the user chose.)
fn twin_of(part: &str, key: &str) -> Option<&'static str> {
    match (part, key) {
        (_, "tF") | ("tmp", "value") => Some("tC"),
        (_, "target_F") => Some("target_C"),
        (_, "current_F") => Some("current_C"),
        _ => None,
    }
}

fn named(metric: &'static str, unit: Option<&str>, part: Option<Part>) -> Named {
    Named::Metric { metric: Name::known(metric), unit: unit.map(Name::from), part }
}

/// What the object around a field says of it: the component's type, the last key before the field, the field.
fn of_part((kind, part, key): (&str, &str, &str), unit: Option<&str>) -> Option<Named> {
    let above = |metric, unit| Some(named(metric, unit, Some(Part::Above)));
    match (part, key) {
        ("aenergy", "total") => above("energy_total", Some("Wh")),
        ("ret_aenergy", "total") => above("energy_returned_total", Some("Wh")),
        ("temperature" | "tmp", "tC") => above("temperature", Some("C")),
        ("temperature" | "tmp", "tF") => above("temperature", Some("F")),
        ("battery", "V") | ("bat", "voltage") => above("battery_voltage", Some("V")),
        ("battery", "percent") | ("bat", "value") => above("battery_level", Some("%")),
        ("external", "present") => above("external_power", None),
        ("tmp", "value") => above("temperature", unit),
        ("target_t", "value") => above("target_temperature", unit),
        ("hum", "value") => above("relative_humidity", Some("%RH")),
        ("lux", "value") => above("illuminance", Some("lx")),
        ("lux", "illumination") => above("illumination", None),
        ("concentration", "ppm") => above("concentration", Some("ppm")),
        _ => match (kind, key) {
            ("meters", "total") => Some(named("energy_total", Some("W-min"), None)),
            ("emeters", "total") => Some(named("energy_total", Some("Wh"), None)),
            ("emeters", "total_returned") => Some(named("energy_returned_total", Some("Wh"), None)),
            ("blutrv" | "bthomedevice", "battery") => Some(named("battery_level", Some("%"), None)),
            _ => None,
        },
    }
}

/// What a key says alone. `a_`, `b_`, `c_`, `n_` and `total_` before a quantity are the conductors of a three-phase meter.
fn of_key(key: &str) -> Named {
    let energy = |metric| named(metric, Some("Wh"), Some(Part::Below("total".to_owned())));
    match key {
        "total_act" => return energy("energy_total"),
        "total_act_ret" => return energy("energy_returned_total"),
        _ => {}
    }
    if let Some((metric, unit)) = quantity(key) {
        return named(metric, Some(unit), None);
    }
    let conductor = key.split_once('_').filter(|(part, _)| ["a", "b", "c", "n", "total"].contains(part));
    if let Some((part, rest)) = conductor
        && let Some((metric, unit)) = quantity(rest)
    {
        return named(metric, Some(unit), Some(Part::Below(part.to_owned())));
    }
    Named::by_table(key)
}

/// The quantity that a key of the vendor's names, and the unit of its documentation.
fn quantity(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "apower" | "act_power" | "power" => ("power", "W"),
        "aprt_power" => ("apparent_power", "VA"),
        "reactive" => ("reactive_power", "var"),
        "voltage" => ("voltage", "V"),
        "current" => ("current", "A"),
        "pf" => ("power_factor", "/"),
        "freq" => ("frequency", "Hz"),
        "tC" | "current_C" => ("temperature", "C"),
        "tF" | "current_F" => ("temperature", "F"),
        "target_C" => ("target_temperature", "C"),
        "target_F" => ("target_temperature", "F"),
        "rh" => ("relative_humidity", "%RH"),
        "lux" => ("illuminance", "lx"),
        "total_act_energy" => ("energy_total", "Wh"),
        "total_act_ret_energy" => ("energy_returned_total", "Wh"),
        _ => return None,
    })
}
