//! Which device and which metric a name and a unit mean.

use std::borrow::Cow;

use event_model::Name;

use crate::names;

/// Quantities by unit (RFC 8428, section 12.1, and RFC 8798), for names that name a device and not a quantity.
const QUANTITIES: &[(&str, &str)] = &[
    ("Cel", "temperature"),
    ("K", "temperature"),
    ("%RH", "relative_humidity"),
    ("%EL", "battery_level"),
    ("EL", "battery_lifetime"),
    ("lat", "latitude"),
    ("lon", "longitude"),
    ("Pa", "pressure"),
    ("hPa", "pressure"),
    ("V", "voltage"),
    ("mV", "voltage"),
    ("A", "current"),
    ("mA", "current"),
    ("W", "power"),
    ("kW", "power"),
    ("VA", "apparent_power"),
    ("var", "reactive_power"),
    ("J", "energy"),
    ("Wh", "energy"),
    ("kWh", "energy"),
    ("Hz", "frequency"),
    ("lx", "illuminance"),
    ("W/m2", "solar_irradiance"),
    ("dB", "level"),
    ("dBm", "level"),
    ("m", "distance"),
    ("m/s", "speed"),
    ("m/s2", "acceleration"),
    ("m3", "volume"),
    ("l", "volume"),
    ("m3/s", "flow"),
    ("l/s", "flow"),
    ("kg", "mass"),
    ("g", "mass"),
    ("pH", "ph"),
    ("S/m", "conductivity"),
    ("ppm", "concentration"),
    ("ug/m3", "concentration"),
    ("count", "count"),
    ("beat/min", "heart_rate"),
    ("beats", "heart_beats"),
];

/// What a record's name says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Naming<'r> {
    pub(super) device: Cow<'r, str>,
    pub(super) metric: Name,
    /// The name as written, of which the metric is the canonical form.
    pub(super) raw: Cow<'r, str>,
}

/// A base name that ends in `:` or `/` is the device and the own name its metric; otherwise the full name is the device.
pub(super) fn name<'r>(base: &'r str, own: &'r str, unit: Option<&str>) -> Naming<'r> {
    let device = base.strip_suffix([':', '/']);
    match device {
        Some(device) if !device.is_empty() && !own.is_empty() => {
            Naming { device: device.into(), metric: metric(own, unit), raw: own.into() }
        }
        Some(device) if own.is_empty() && !device.is_empty() => {
            Naming { raw: base.into(), ..by_unit(device.into(), unit) }
        }
        _ if own.is_empty() => by_unit(base.into(), unit),
        _ => by_unit(format!("{base}{own}").into(), unit),
    }
}

fn by_unit<'r>(device: Cow<'r, str>, unit: Option<&str>) -> Naming<'r> {
    let quantity = unit.and_then(|unit| QUANTITIES.iter().find(|(symbol, _)| *symbol == unit));
    let metric = quantity.map_or("value", |(_, quantity)| quantity);
    Naming { raw: device.clone(), device, metric: Name::known(metric) }
}

/// The metric of a record's own name. `battery` says what it is by its unit alone.
fn metric(own: &str, unit: Option<&str>) -> Name {
    match (own.to_ascii_lowercase().as_str(), unit) {
        ("battery", Some("%" | "%EL" | "/")) => Name::known("battery_level"),
        ("battery", Some("V" | "mV")) => Name::known("battery_voltage"),
        _ => names::metric(own),
    }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_base_name_with_a_separator_is_the_device() {
        let naming = name("urn:dev:ow:1:", "temp", Some("Cel"));
        assert_eq!((&*naming.device, naming.metric.as_str()), ("urn:dev:ow:1", "temperature"));
        let naming = name("2001:db8::2/", "humidity", Some("%RH"));
        assert_eq!((&*naming.device, naming.metric.as_str()), ("2001:db8::2", "relative_humidity"));
    }

    #[test]
    fn without_one_the_unit_says_what_is_measured() {
        let naming = name("urn:dev:ow:1", "", Some("lat"));
        assert_eq!((&*naming.device, naming.metric.as_str()), ("urn:dev:ow:1", "latitude"));
        assert_eq!(name("", "meter-1", None).metric, "value");
    }

    #[test]
    fn a_battery_is_named_by_its_unit() {
        assert_eq!(name("a:", "battery", Some("%")).metric, "battery_level");
        assert_eq!(name("a:", "battery", Some("V")).metric, "battery_voltage");
    }
}
