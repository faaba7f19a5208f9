//! Units: the one unit in which each quantity is kept, and what platforms write instead.
//!
//! Symbols are those of SenML (RFC 8428, section 12.1; RFC 8798, sections 2 and 3); where SenML has none, UCUM's. Factors
//! are exact by definition (the inch, pound and nautical mile of 1959; NIST SP 811, appendix B), but for the radian's.

mod linear;

use std::collections::HashMap;
use std::sync::LazyLock;

use thiserror::Error;

use self::linear::Line;
use crate::name::is_printable;

/// One unit that is kept in another.
struct Conversion {
    /// The canonical symbol.
    to: &'static str,
    line: Line,
    /// The unit's spellings: its symbol first, then display spellings, UN/CEFACT Recommendation 20 codes, UCUM.
    spellings: &'static [&'static str],
}

/// `factor` is a fraction.
const fn scaled(to: &'static str, factor: (i64, i64), spellings: &'static [&'static str]) -> Conversion {
    shifted(to, 0, factor, spellings)
}

const fn shifted(
    to: &'static str,
    hundredths: i64,
    (numerator, denominator): (i64, i64),
    spellings: &'static [&'static str],
) -> Conversion {
    Conversion { to, line: Line { hundredths, numerator, denominator }, spellings }
}

/// The canonical unit itself.
const fn same(to: &'static str, spellings: &'static [&'static str]) -> Conversion {
    scaled(to, (1, 1), spellings)
}

#[rustfmt::skip]
const CONVERSIONS: &[Conversion] = &[
    shifted("Cel", -3200, (5, 9), &["Far", "°F", "ºF", "F", "FAH", "[degF]", "degF", "fahrenheit"]),
    shifted("Cel", -27_315, (1, 1), &["K", "KEL", "kelvin"]),
    same("Cel", &["Cel", "°C", "ºC", "C", "℃", "CEL", "degC", "celsius", "celcius"]),
    scaled("hPa", (1, 100), &["Pa", "PAL", "pascal"]),
    scaled("hPa", (10, 1), &["kPa", "KPA"]),
    same("hPa", &["hPa", "mbar", "mb", "MBR", "A97", "hectopascal", "millibar"]),
    scaled("hPa", (1000, 1), &["bar", "BAR"]),
    scaled("hPa", (3_386_388_640_341, 100_000_000_000), &["inHg", "in Hg", "[in_i'Hg]", "F79"]),
    scaled("hPa", (133_322_387_415, 100_000_000_000), &["mmHg", "Torr", "m[Hg]", "HN", "mm Hg"]),
    scaled("hPa", (44_482_216_152_605, 645_160_000_000), &["psi", "[psi]", "PS"]),
    scaled("hPa", (101_325, 100), &["atm", "ATM"]),
    scaled("m/s", (44_704, 100_000), &["mph", "[mi_i]/h", "HM", "mi/h"]),
    scaled("m/s", (5, 18), &["km/h", "KMH", "kmh", "kph"]),
    scaled("m/s", (1852, 3600), &["kn", "kt", "kts", "knots", "[kn_i]", "KNT"]),
    scaled("m/s", (3048, 10_000), &["ft/s", "FS"]),
    same("m/s", &["m/s", "mps", "MTS"]),
    scaled("mm", (254, 10), &["in", "inch", "inches", "[in_i]", "INH"]),
    scaled("mm/h", (254, 10), &["in/h", "in/hr"]),
    same("mm/h", &["mm/h", "mm/hr", "H67"]),
    scaled("m", (1, 100), &["cm", "CMT"]),
    scaled("m", (3048, 10_000), &["ft", "FOT", "[ft_i]", "feet"]),
    scaled("m", (1000, 1), &["km", "KMT"]),
    scaled("m", (1_609_344, 1000), &["mi", "[mi_i]", "SMI"]),
    scaled("m", (1852, 1), &["nmi", "[nmi_i]", "NMI"]),
    same("m", &["m", "MTR", "metre", "meter"]),
    same("mm", &["mm", "MMT"]),
    scaled("V", (1, 1000), &["mV", "2Z", "millivolt"]),
    scaled("V", (1000, 1), &["kV", "KVT"]),
    same("V", &["V", "VLT", "volt", "volts"]),
    scaled("A", (1, 1000), &["mA", "4K", "milliampere"]),
    same("A", &["A", "AMP", "ampere"]),
    scaled("W", (1, 1000), &["mW", "C31"]),
    scaled("W", (1000, 1), &["kW", "KWT", "kilowatt"]),
    same("W", &["W", "WTT", "watt", "watts"]),
    scaled("VA", (1000, 1), &["kVA", "KVA"]),
    same("VA", &["VA", "D46"]),
    scaled("var", (1000, 1), &["kvar", "kVAr", "KVR"]),
    same("var", &["var", "VAr", "D44"]),
    scaled("kWh", (1, 1000), &["Wh", "WHR"]),
    same("kWh", &["kWh", "KWH", "kW.h"]),
    scaled("kWh", (1000, 1), &["MWh", "MWH"]),
    scaled("kWh", (1, 60_000), &["W-min", "Wmin"]),
    scaled("kWh", (10, 36), &["MJ", "3B"]),
    scaled("kWh", (1, 3600), &["kJ", "KJO"]),
    scaled("kWh", (1, 3_600_000), &["J", "JOU", "joule"]),
    scaled("kVAh", (1, 3_600_000), &["VAs"]),
    scaled("kVAh", (1, 1000), &["VAh"]),
    same("kVAh", &["kVAh"]),
    scaled("kvarh", (1, 3_600_000), &["vars"]),
    scaled("kvarh", (1, 1000), &["varh"]),
    same("kvarh", &["kvarh", "kVArh", "K3"]),
    scaled("Bq/m3", (37, 1), &["pCi/L", "pCi/l", "pci"]),
    same("Bq/m3", &["Bq/m3", "Bq/m³", "A19"]),
    same("ug/m3", &["ug/m3", "µg/m³", "μg/m³", "μg/m3", "µg/m3", "ug/m³", "ug/m^3", "GQ"]),
    same("ppm", &["ppm", "PPM", "59", "[ppm]"]),
    scaled("lx", (1000, 1), &["klx", "KLX", "klux"]),
    scaled("lx", (100_000_000, 9_290_304), &["fc", "foot-candle", "footcandle"]),
    same("lx", &["lx", "LUX", "lux", "Lux"]),
    scaled("uS/cm", (1000, 1), &["dS/m", "mS/cm", "H61"]),
    same("uS/cm", &["uS/cm", "µS/cm", "μS/cm", "G42"]),
    scaled("l", (3_785_411_784, 1_000_000_000), &["gal", "[gal_us]", "GLL", "gallons"]),
    scaled("l", (1000, 1), &["m3", "m³", "MTQ"]),
    same("l", &["l", "L", "LTR", "litre", "liter"]),
    scaled("deg", (572_957_795_130_823, 10_000_000_000_000), &["rad", "C81"]),
    same("deg", &["deg", "°", "º", "DD", "degrees"]),
    scaled("kg", (1, 1000), &["g", "GRM", "gram"]),
    scaled("kg", (45_359_237, 100_000_000), &["lb", "lbs", "[lb_av]", "LBR"]),
    same("kg", &["kg", "KGM"]),
    scaled("Hz", (1000, 1), &["kHz", "KHZ"]),
    scaled("Hz", (1_000_000, 1), &["MHz", "MHZ"]),
    same("Hz", &["Hz", "HTZ", "hertz"]),
    same("W/m2", &["W/m2", "W/m²", "W/m^2", "wm2", "D54"]),
    same("dB", &["dB", "dBA", "dB(A)", "2N"]),
    same("s", &["s", "sec", "SEC", "seconds"]),
    same("%RH", &["%RH", "%rH", "%r.H.", "% RH"]),
    same("/", &["/"]),
    same("1", &["1", "C62", "UV index"]),
    same("count", &["count", "counts"]),
    // SenML's `C` and `F` are other units to everybody else.
    same("C", &["coulomb", "COU"]),
    same("F", &["farad", "FAR"]),
];

/// Symbols that are kept as they are: the rest of SenML's registry, and UCUM's for what it lacks.
const KEPT: &[&str] = &[
    "cd", "mol", "sr", "N", "Ohm", "S", "Wb", "T", "H", "lm", "Bq", "Gy", "Sv", "kat", "m2", "m/s2", "m3/s",
    "l/s", "cd/m2", "bit", "bit/s", "lat", "lon", "pH", "dBW", "dBm", "Bspl", "%EL", "EL", "1/s", "1/min",
    "beat/min", "beats", "S/m", "B", "J/m", "kg/m3", "NTU", "ms", "us", "ns", "min", "h", "d", "Ah", "Wh/km",
    "KiB", "GB", "Mbit/s", "B/s", "MB/s", "m/h", "/1000", "mg/m3", "ppb", "ppt", "%", "g/m3", "g/l", "mg/l",
    "ug/l", "m3/h", "l/min", "l/h", "kOhm", "mm/s",
];

/// A value in the unit that a person or a platform writes, as (value, symbol) in the canonical unit.
///
/// `metric` is the canonical metric name; it decides what a unit alone does not say: `%` is `%RH` of humidity and
/// `%EL` of a battery, `ppb` of CO2, NO2 and O3 is kept as `ppm`, `mg/m3` of particles as `ug/m3`, the energy of one
/// reporting period stays in `Wh`, directions are kept within 0 to 360. `None`: the unit is not known.
pub fn canonical(value: f64, unit: &str, metric: &str) -> Option<(f64, &'static str)> {
    let unit = unit.trim();
    if let Some(converted) = by_metric(value, unit, metric) {
        return Some(converted);
    }
    let conversion = find(unit)?;
    let converted = conversion.line.at(value);
    // 360 is north to those who write 0 for calm air.
    let is_turned =
        conversion.to == "deg" && metric.ends_with("direction") && !(0.0..=360.0).contains(&converted);
    Some((if is_turned { converted.rem_euclid(360.0) } else { converted }, conversion.to))
}

/// A difference of two values in the canonical unit: 9 degrees Fahrenheit are 5 kelvin. `None` as with [`canonical`].
pub fn difference(value: f64, unit: &str, metric: &str) -> Option<f64> {
    let unit = unit.trim();
    if let Some((converted, _)) = by_metric(value, unit, metric) {
        return Some(converted);
    }
    Some(Line { hundredths: 0, ..find(unit)?.line }.at(value))
}

/// Whether `unit` is a symbol in which values are kept.
pub fn is_canonical(unit: &str) -> bool {
    unit == "Wh" || KEPT.contains(&unit) || CONVERSIONS.iter().any(|conversion| conversion.to == unit)
}

/// A unit that no value of the metric can be converted from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no unit is known as `{0}`: expected a symbol like `Cel`, `%RH`, `hPa`, `m/s`")]
pub struct UnknownUnit(String);

/// The unit itself, where values of `metric` that carry it can be converted.
///
/// # Errors
/// [`UnknownUnit`].
pub fn known(unit: &str, metric: &str) -> Result<String, UnknownUnit> {
    canonical(0.0, unit, metric).map(|_| unit.to_owned()).ok_or_else(|| UnknownUnit(unit.to_owned()))
}

/// A text that names no metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the name of a metric is 1 to 200 characters, such as `soil_moisture` or `weather.temperature`")]
pub struct NotAMetric;

/// The name itself, where it can name a metric. Line protocol names metrics as the sender does, so nearly all can.
///
/// # Errors
/// [`NotAMetric`].
pub fn metric_name(name: &str) -> Result<String, NotAMetric> {
    let fits = !name.is_empty() && name.len() <= 200 && name.chars().all(is_printable);
    fits.then(|| name.to_owned()).ok_or(NotAMetric)
}

/// What the unit means for this metric only.
fn by_metric(value: f64, unit: &str, metric: &str) -> Option<(f64, &'static str)> {
    let times = |numerator, denominator| Line { hundredths: 0, numerator, denominator }.at(value);
    let percent = matches!(unit, "%" | "P1" | "percent" | "/100");
    let humidity = metric == "relative_humidity";
    if percent && humidity {
        return Some((value, "%RH"));
    }
    if percent {
        return Some((value, if metric == "battery_level" { "%EL" } else { "%" }));
    }
    match unit {
        "/" if humidity => Some((times(100, 1), "%RH")),
        "/" if metric == "battery_level" => Some((times(100, 1), "%EL")),
        "ppb" | "61" if matches!(metric, "co2" | "no2" | "o3") => Some((times(1, 1000), "ppm")),
        "61" => Some((value, "ppb")),
        "mg/m3" | "mg/m³" | "GP" if metric.starts_with("pm") => Some((times(1000, 1), "ug/m3")),
        "mg/m³" | "GP" => Some((value, "mg/m3")),
        "Wh" | "WHR" if metric == "energy_period" => Some((value, "Wh")),
        "MMT" | "mm" if matches!(metric, "distance" | "level" | "depth") => Some((times(1, 1000), "m")),
        _ => None,
    }
}

/// The exact spelling first, since `mW` and `MW` differ; then words (`Celsius`, `LUX`) without regard to case.
fn find(unit: &str) -> Option<&'static Conversion> {
    static IDENTITIES: &[Conversion] = &identities();
    static BY_SPELLING: LazyLock<HashMap<&str, &Conversion>> = LazyLock::new(|| {
        let spelled = |conversion: &'static Conversion| {
            conversion.spellings.iter().map(move |spelling| (*spelling, conversion))
        };
        CONVERSIONS.iter().chain(IDENTITIES).flat_map(spelled).collect()
    });
    BY_SPELLING.get(unit).copied().or_else(|| {
        let is_word = unit.chars().count() > 3;
        CONVERSIONS.iter().chain(IDENTITIES).find(|conversion| {
            is_word && conversion.spellings.iter().any(|spelling| spelling.eq_ignore_ascii_case(unit))
        })
    })
}

/// The kept symbols as conversions into themselves.
const fn identities() -> [Conversion; KEPT.len()] {
    let mut all = [const { same("", &[]) }; KEPT.len()];
    let mut index = 0;
    while index < KEPT.len() {
        all[index] = same(KEPT[index], std::slice::from_ref(&KEPT[index]));
        index += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{CONVERSIONS, KEPT, canonical, difference, is_canonical};

    fn assert_close(value: f64, unit: &str, metric: &str, expected: (f64, &str)) {
        let (found, symbol) = canonical(value, unit, metric).unwrap_or((f64::NAN, "unknown"));
        assert!(
            (found - expected.0).abs() <= 1e-9 * expected.0.abs().max(1.0),
            "{value} {unit} = {found} {symbol}"
        );
        assert_eq!(symbol, expected.1);
    }

    #[test]
    fn known_conversions_hold() {
        assert_close(212.0, "°F", "temperature", (100.0, "Cel"));
        assert_close(-40.0, "Far", "temperature", (-40.0, "Cel"));
        assert_close(0.0, "K", "temperature", (-273.15, "Cel"));
        assert_close(29.92, "inHg", "pressure", (1_013.207_481_190, "hPa"));
        assert_close(14.7, "psi", "pressure", (1_013.529_322_098, "hPa"));
        assert_close(1.0, "fc", "illuminance", (10.763_910_416_7, "lx"));
        assert_close(101_325.0, "Pa", "pressure", (1013.25, "hPa"));
        assert_close(100.0, "km/h", "wind_speed", (27.777_777_777_8, "m/s"));
        assert_close(1.0, "kn", "wind_speed", (0.514_444_444_444, "m/s"));
        assert_close(3_600.0, "J", "energy_total", (0.001, "kWh"));
        assert_close(4.0, "pCi/L", "radon", (148.0, "Bq/m3"));
    }

    #[test]
    fn the_metric_decides_what_the_unit_leaves_open() {
        assert_close(48.0, "%", "relative_humidity", (48.0, "%RH"));
        assert_close(0.48, "/", "relative_humidity", (48.0, "%RH"));
        assert_close(92.0, "P1", "battery_level", (92.0, "%EL"));
        assert_close(12.0, "%", "soil_moisture", (12.0, "%"));
        assert_close(420.0, "ppb", "co2", (0.42, "ppm"));
        assert_close(420.0, "ppb", "tvoc", (420.0, "ppb"));
        assert_close(0.02, "mg/m3", "pm10", (20.0, "ug/m3"));
        assert_close(0.02, "mg/m3", "ammonia", (0.02, "mg/m3"));
        assert_close(-90.0, "°", "wind_direction", (270.0, "deg"));
        assert_close(360.0, "deg", "wind_direction", (360.0, "deg"));
        assert_close(-5.0, "°", "pitch", (-5.0, "deg"));
    }

    #[test]
    fn what_has_an_exact_decimal_is_that_decimal() {
        for (value, unit, expected) in [
            (21.7, "mV", 0.0217),
            (101_325.0, "Pa", 1013.25),
            (82.4, "°F", 28.0),
            (33.8, "°F", 1.0),
            (293.25, "K", 20.1),
            (10.0, "mph", 4.4704),
            (3.6, "km/h", 1.0),
            (0.1, "in", 2.54),
        ] {
            assert_eq!(canonical(value, unit, "x").unwrap().0, expected, "{value} {unit}");
        }
        assert_eq!(canonical(0.57, "/", "relative_humidity"), Some((57.0, "%RH")));
        assert_eq!(canonical(4.35, "mg/m3", "pm10"), Some((4350.0, "ug/m3")));
    }

    #[test]
    fn a_difference_has_no_offset() {
        assert_eq!(difference(9.0, "°F", "temperature"), Some(5.0));
        assert_eq!(difference(0.5, "kPa", "pressure"), Some(5.0));
        assert_eq!(difference(0.1, "/", "relative_humidity"), Some(10.0));
        assert_eq!(difference(1.0, "furlong", "distance"), None);
    }

    #[test]
    fn a_tenth_of_a_degree_fahrenheit_that_is_one_of_celsius_is_it_exactly() {
        for tenths in (-40..=200).map(|celsius| celsius * 9 + 320).filter(|tenths| tenths % 5 == 0) {
            let celsius = f64::from(tenths - 320) * 5.0 / 9.0;
            let fahrenheit = f64::from(tenths) / 10.0;
            let (found, _) = canonical(fahrenheit, "F", "temperature").unwrap();
            assert_eq!(found, celsius.round() / 10.0, "{fahrenheit}");
        }
    }

    #[test]
    fn spellings_differ_by_case_only_where_they_are_words() {
        assert_eq!(canonical(1.0, "Celsius", "temperature"), Some((1.0, "Cel")));
        assert_eq!(canonical(1.0, "CEL", "temperature"), Some((1.0, "Cel")));
        assert_eq!(canonical(1.0, "MW", "power"), None);
        assert_eq!(canonical(1.0, "furlong", "distance"), None);
    }

    #[test]
    fn to_normalise_twice_is_to_normalise_once() {
        for conversion in CONVERSIONS {
            for spelling in conversion.spellings {
                let (value, unit) = canonical(7.5, spelling, "x").unwrap();
                assert!(is_canonical(unit));
                // Symbols of SenML, which `senml_json` alone means by them.
                if matches!(unit, "C" | "F") {
                    continue;
                }
                assert_eq!(canonical(value, unit, "x"), Some((value, unit)), "{spelling}");
            }
        }
        for unit in KEPT {
            assert_eq!(canonical(7.5, unit, "x"), Some((7.5, *unit)));
        }
    }

    #[test]
    fn no_spelling_means_two_units() {
        let mut all: Vec<_> =
            CONVERSIONS.iter().flat_map(|conversion| conversion.spellings).chain(KEPT).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
