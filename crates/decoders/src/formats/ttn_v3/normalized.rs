//! The normalised payload: The Things Stack's own schema, whose units are fixed.
//!
//! Source: The Things Stack documentation, "Payload Formatters: Normalized Payload", and the schema
//! `lib/payload.json` of TheThingsNetwork/lorawan-devices.

use std::borrow::Cow;

use event_model::Name;

use crate::walk::Named;

/// A field by its group and name: our metric and the schema's unit.
#[rustfmt::skip]
const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("", "battery", "battery_voltage", "V"),
    ("air", "temperature", "temperature", "Cel"),
    ("air", "relativeHumidity", "relative_humidity", "%RH"),
    ("air", "pressure", "pressure", "hPa"),
    ("air", "co2", "co2", "ppm"),
    ("air", "lightIntensity", "illuminance", "lx"),
    ("wind", "speed", "wind_speed", "m/s"),
    ("wind", "direction", "wind_direction", "deg"),
    ("soil", "depth", "depth", "cm"),
    ("soil", "moisture", "soil_moisture", "%"),
    ("soil", "temperature", "soil_temperature", "Cel"),
    ("soil", "ec", "soil_ec", "dS/m"),
    ("soil", "pH", "ph", "pH"),
    ("soil", "n", "nitrogen", "ppm"),
    ("soil", "p", "phosphorus", "ppm"),
    ("soil", "k", "potassium", "ppm"),
    ("rain", "intensity", "rain_rate", "mm/h"),
    ("rain", "cumulative", "rain_total", "mm"),
    ("water.temperature", "min", "temperature_min", "Cel"),
    ("water.temperature", "max", "temperature_max", "Cel"),
    ("water.temperature", "avg", "temperature_avg", "Cel"),
    ("water.temperature", "current", "temperature", "Cel"),
    ("metering.water", "total", "water_total", "l"),
    ("position", "latitude", "latitude", "lat"),
    ("position", "longitude", "longitude", "lon"),
];

/// Names a field of the schema; a name that is not in it goes by the table.
pub(super) fn name_field(parents: &[Cow<'_, str>], key: &str) -> Named {
    if key == "time" && parents.is_empty() {
        return Named::Skip;
    }
    let is_in = |group: &str| {
        group.split('.').filter(|key| !key.is_empty()).eq(parents.iter().map(|parent| &**parent))
    };
    match FIELDS.iter().find(|(group, name, ..)| *name == key && is_in(group)) {
        Some((_, _, metric, unit)) => {
            Named::Metric { metric: Name::known(metric), unit: Some(Name::known(unit)), part: None }
        }
        None => Named::by_table(key),
    }
}
