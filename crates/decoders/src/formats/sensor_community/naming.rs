//! What airrohr calls a value: the sensor, where there may be several of a kind, and the quantity (`BME280_temperature`).
//!
//! Source: opendata-stuttgart/sensors-software, `airrohr-firmware.ino` (`add_Value2Json`) and `html-content.h`; nettigo/namf.

use std::borrow::Cow;

use event_model::Name;

use crate::names;
use crate::walk::Named;

/// A quantity by its name: our metric, and its unit.
#[rustfmt::skip]
const QUANTITIES: &[(&str, &str, Option<&str>)] = &[
    ("P0", "pm1", Some("ug/m3")),
    ("P1", "pm10", Some("ug/m3")),
    ("P2", "pm2_5", Some("ug/m3")),
    ("P4", "pm4", Some("ug/m3")),
    ("temperature", "temperature", Some("Cel")),
    ("humidity", "relative_humidity", Some("%RH")),
    ("pressure", "pressure", Some("Pa")),
    ("pressure_sealevel", "pressure_sea_level", Some("Pa")),
    ("pressure_at_sealevel", "pressure_sea_level", Some("Pa")),
    ("co2_ppm", "co2", Some("ppm")),
    ("conc_co2_ppm", "co2", Some("ppm")),
    ("noise_LAeq", "noise_laeq", Some("dB")),
    ("noise_LA_min", "noise_la_min", Some("dB")),
    ("noise_LA_max", "noise_la_max", Some("dB")),
    ("lat", "latitude", Some("lat")),
    ("lon", "longitude", Some("lon")),
    ("height", "altitude", Some("m")),
    ("ambient_light", "illuminance", Some("lx")),
    ("samples", "samples", Some("count")),
    ("min_micro", "min_micro", Some("us")),
    ("max_micro", "max_micro", Some("us")),
    ("interval", "interval", Some("ms")),
    ("sample_time_ms", "sample_time", Some("ms")),
    ("signal", "rssi", Some("dBm")),
    ("counts_per_minute", "counts_per_minute", Some("1/min")),
    ("hv_pulses", "hv_pulses", None),
];

/// When the receiver of a GPS thinks it is: the firmware sends 1970 where it does not know, and the message is no older.
const TIMES_OF_GPS: [&str; 3] = ["timestamp", "date", "time"];

/// A value's name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quantity<'n> {
    /// `BME280`; empty where the name has none.
    pub(super) sensor: &'n str,
    /// `temperature`
    pub(super) name: &'n str,
}

impl<'n> Quantity<'n> {
    /// A sensor's model has capitals or digits; a name that is known as a whole has none before it.
    pub(super) fn of(value_type: &'n str) -> Self {
        let whole = Self { sensor: "", name: value_type };
        if known(value_type).is_some() {
            return whole;
        }
        let is_model = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && text.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        match value_type.split_once('_') {
            Some((sensor, name)) if is_model(sensor) && !name.is_empty() => Self { sensor, name },
            _ => whole,
        }
    }

    /// The metric, and the unit where the name tells it. What a PPD42NS sends as P1 and P2 are particles in 0.01 cubic feet.
    pub(super) fn named(&self, counts_particles: bool) -> Named {
        let Self { sensor, name } = *self;
        if sensor == "GPS" && TIMES_OF_GPS.contains(&name) {
            return Named::Skip;
        }
        match known(name) {
            Some(("P1" | "P2", ..)) if counts_particles => metric(names::snake_case(name).into(), None),
            Some((_, metric_name, unit)) => metric(Name::known(metric_name), *unit),
            None => metric(names::metric(name), None),
        }
    }
}

fn known(name: &str) -> Option<&'static (&'static str, &'static str, Option<&'static str>)> {
    QUANTITIES.iter().find(|(known, ..)| *known == name)
}

fn metric(metric: Name, unit: Option<&'static str>) -> Named {
    Named::Metric { metric, unit: unit.map(Name::known), part: None }
}

/// What the firmware sends where its GPS knows no place.
pub(super) fn is_no_place(quantity: &Quantity<'_>, value: f64) -> bool {
    match quantity.name {
        "lat" | "lon" => value == -200.0,
        "height" => value == -1000.0,
        _ => false,
    }
}

/// The id of a board with what kind it is before it, as the header field `X-Sensor` has it.
pub(super) fn board<'i>(kind: &str, id: &'i str) -> Cow<'i, str> {
    let is_number = id.trim().bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { format!("{kind}-{}", id.trim()).into() } else { id.into() }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn a_name_has_a_sensor_before_it_or_not() {
        for (value_type, sensor, name) in [
            ("SDS_P1", "SDS", "P1"),
            ("BME280_pressure", "BME280", "pressure"),
            ("SCD30_co2_ppm", "SCD30", "co2_ppm"),
            ("DNMS_noise_LA_max", "DNMS", "noise_LA_max"),
            ("Si22G_counts_per_minute", "Si22G", "counts_per_minute"),
            ("P1", "", "P1"),
            ("min_micro", "", "min_micro"),
            ("noise_LAeq", "", "noise_LAeq"),
            ("wind_speed", "", "wind_speed"),
            ("X_", "", "X_"),
            ("_x", "", "_x"),
            ("", "", ""),
        ] {
            assert_eq!(Quantity::of(value_type), Quantity { sensor, name }, "{value_type}");
        }
    }
}
