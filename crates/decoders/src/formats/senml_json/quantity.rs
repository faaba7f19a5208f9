//! Which device and which metric a name and a unit mean.

use std::borrow::Cow;

use event_model::Name;

use crate::names;

/// The units of SenML, primary and secondary, as IANA registers them (<https://www.iana.org/assignments/senml>; a test has them
/// by their documents): symbol and quantity.
///
/// Each quantity is the metric of records whose names name a device and nothing else. One metric has one kept unit:
/// where two units of a quantity stay two, the symbol is in the name of the second.
#[rustfmt::skip]
const REGISTRY: &[(&str, &str)] = &[
    ("m", "distance"), ("cm", "distance"), ("km", "distance"), ("mm", "distance"),
    ("kg", "mass"), ("g", "mass"),
    ("s", "duration"), ("ms", "duration_ms"), ("min", "duration_min"), ("h", "duration_h"),
    ("A", "current"), ("mA", "current"),
    ("K", "temperature"), ("Cel", "temperature"),
    ("cd", "luminous_intensity"), ("lm", "luminous_flux"), ("cd/m2", "luminance"), ("lx", "illuminance"),
    ("mol", "amount_of_substance"), ("kat", "catalytic_activity"),
    ("Hz", "frequency"), ("MHz", "frequency"),
    ("rad", "angle"), ("deg", "angle"), ("sr", "solid_angle"),
    ("N", "force"),
    ("Pa", "pressure"), ("hPa", "pressure"),
    ("J", "energy"), ("Wh", "energy"), ("kWh", "energy"),
    ("J/m", "energy_per_distance"), ("Wh/km", "energy_per_distance_wh_km"),
    ("W", "power"), ("kW", "power"),
    ("VA", "apparent_power"), ("kVA", "apparent_power"),
    ("VAs", "apparent_energy"), ("VAh", "apparent_energy"), ("kVAh", "apparent_energy"),
    ("var", "reactive_power"), ("kvar", "reactive_power"),
    ("vars", "reactive_energy"), ("varh", "reactive_energy"), ("kvarh", "reactive_energy"),
    ("C", "charge"), ("Ah", "charge_ah"),
    ("V", "voltage"), ("mV", "voltage"),
    ("F", "capacitance"), ("Ohm", "resistance"), ("S", "conductance"), ("S/m", "conductivity"),
    ("Wb", "magnetic_flux"), ("T", "magnetic_flux_density"), ("H", "inductance"),
    ("Bq", "radioactivity"), ("Gy", "absorbed_dose"), ("Sv", "equivalent_dose"),
    ("m2", "area"),
    ("m3", "volume"), ("l", "volume"),
    ("m/s", "speed"), ("km/h", "speed"), ("mm/h", "speed_mm_h"), ("m/h", "speed_m_h"),
    ("m/s2", "acceleration"),
    ("m3/s", "flow"), ("l/s", "flow_l_s"),
    ("W/m2", "solar_irradiance"),
    ("bit", "data_bits"), ("B", "data"), ("KiB", "data_kib"), ("GB", "data_gb"),
    ("bit/s", "data_rate"), ("Mbit/s", "data_rate_mbit_s"), ("B/s", "data_rate_b_s"), ("MB/s", "data_rate_mb_s"),
    ("lat", "latitude"), ("lon", "longitude"),
    ("pH", "ph"),
    ("dB", "level"), ("dBm", "power_level"), ("dBW", "power_level_dbw"), ("Bspl", "sound_pressure_level"),
    ("count", "count"),
    ("/", "ratio"), ("%", "percentage"), ("/100", "percentage"), ("/1000", "permille"),
    ("ppm", "concentration"), ("ppb", "concentration_ppb"), ("ppt", "concentration_ppt"),
    ("kg/m3", "density"), ("ug/m3", "mass_concentration"),
    ("g/l", "mass_concentration_g_l"), ("mg/l", "mass_concentration_mg_l"), ("ug/l", "mass_concentration_ug_l"),
    ("NTU", "turbidity"),
    ("%RH", "relative_humidity"), ("%EL", "battery_level"), ("EL", "battery_lifetime"),
    ("1/s", "event_rate"), ("1/min", "event_rate_min"),
    ("beat/min", "heart_rate"), ("beats", "heart_beats"),
];

/// The unit's name to who does not know that it is SenML's: `C` is the coulomb here and `F` the farad.
pub(super) fn plain(unit: &str) -> &str {
    match unit {
        "C" => "coulomb",
        "F" => "farad",
        other => other,
    }
}

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
    let quantity = unit.and_then(|unit| REGISTRY.iter().find(|(symbol, _)| *symbol == unit));
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
    use std::collections::HashMap;

    use event_model::units;

    use super::{REGISTRY, name, plain};

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

    #[test]
    fn a_metric_that_a_unit_names_has_one_unit() {
        let mut kept = HashMap::new();
        for (symbol, metric) in REGISTRY {
            let (_, unit) = units::canonical(1.0, plain(symbol), metric)
                .unwrap_or_else(|| panic!("{symbol} is not known"));
            assert_eq!(*kept.entry(metric).or_insert(unit), unit, "{metric}");
        }
    }

    /// RFC 8428, section 12.1.
    const PRIMARY: &str = "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s \
        m/s2 m3/s l/s W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m";
    /// RFC 8798, section 2, and NTU, which was registered after it.
    const LATER_PRIMARY: &str = "B VA VAs var vars J/m kg/m3 deg NTU";
    /// RFC 8798, section 3.
    const SECONDARY: &str = "ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm \
        ug/m3 mm/h m/h ppm /100 /1000 hPa mm cm km km/h";
    /// Registered after it.
    const LATER_SECONDARY: &str = "ppb ppt VAh mg/l ug/l g/l";

    #[test]
    fn the_table_is_the_registry() {
        let registered = [PRIMARY, LATER_PRIMARY, SECONDARY, LATER_SECONDARY];
        let mut registered: Vec<_> =
            registered.iter().flat_map(|list| list.split_ascii_whitespace()).collect();
        let mut symbols: Vec<_> = REGISTRY.iter().map(|(symbol, _)| *symbol).collect();
        registered.sort_unstable();
        symbols.sort_unstable();
        assert_eq!(symbols, registered);
    }

    #[test]
    fn a_letter_is_the_unit_that_the_registry_gives_it() {
        for (symbol, metric) in REGISTRY {
            assert_eq!(name("", "d", Some(symbol)).metric, *metric);
        }
        assert_eq!(units::canonical(100.0, plain("F"), "x"), Some((100.0, "F")));
        assert_eq!(units::canonical(0.5, plain("C"), "x"), Some((0.5, "C")));
    }
}
