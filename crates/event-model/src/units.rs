//! Units: the one unit in which each quantity is kept, and what platforms write instead.
//!
//! Symbols are those of SenML (RFC 8428, section 12.1; RFC 8798, section 3); where SenML has none, UCUM's. Factors
//! are exact by definition (the inch, pound and nautical mile of 1959; NIST SP 811, appendix B) or rounded to twelve digits.

use std::collections::HashMap;
use std::sync::LazyLock;

use thiserror::Error;

/// One unit that is kept in another.
struct Conversion {
    /// The canonical symbol.
    to: &'static str,
    /// canonical = (value + offset) * factor
    offset: f64,
    factor: f64,
    /// The unit's spellings: its symbol first, then display spellings, UN/CEFACT Recommendation 20 codes, UCUM.
    spellings: &'static [&'static str],
}

const fn scaled(to: &'static str, factor: f64, spellings: &'static [&'static str]) -> Conversion {
    Conversion { to, offset: 0.0, factor, spellings }
}

#[rustfmt::skip]
const CONVERSIONS: &[Conversion] = &[
    Conversion { to: "Cel", offset: -32.0, factor: 5.0 / 9.0, spellings: &["Far", "°F", "ºF", "F", "FAH", "[degF]", "degF", "fahrenheit"] },
    Conversion { to: "Cel", offset: -273.15, factor: 1.0, spellings: &["K", "KEL", "kelvin"] },
    scaled("Cel", 1.0, &["Cel", "°C", "ºC", "C", "℃", "CEL", "degC", "celsius", "celcius"]),
    scaled("hPa", 0.01, &["Pa", "PAL", "pascal"]),
    scaled("hPa", 10.0, &["kPa", "KPA"]),
    scaled("hPa", 1.0, &["hPa", "mbar", "mb", "MBR", "A97", "hectopascal", "millibar"]),
    scaled("hPa", 1000.0, &["bar", "BAR"]),
    scaled("hPa", 33.863_886_666_7, &["inHg", "in Hg", "[in_i'Hg]", "F79"]),
    scaled("hPa", 1.333_223_874_15, &["mmHg", "Torr", "m[Hg]", "HN", "mm Hg"]),
    scaled("hPa", 68.947_572_931_8, &["psi", "[psi]", "PS"]),
    scaled("hPa", 1013.25, &["atm"]),
    scaled("m/s", 0.447_04, &["mph", "[mi_i]/h", "HM", "mi/h"]),
    scaled("m/s", 1.0 / 3.6, &["km/h", "KMH", "kmh", "kph"]),
    scaled("m/s", 0.514_444_444_444, &["kn", "kt", "kts", "knots", "[kn_i]", "KNT"]),
    scaled("m/s", 0.3048, &["ft/s", "FS"]),
    scaled("m/s", 1.0, &["m/s", "mps", "MTS"]),
    scaled("mm", 25.4, &["in", "inch", "inches", "[in_i]", "INH"]),
    scaled("mm/h", 25.4, &["in/h", "in/hr"]),
    scaled("mm/h", 1.0, &["mm/h", "mm/hr"]),
    scaled("m", 0.01, &["cm", "CMT"]),
    scaled("m", 0.3048, &["ft", "FOT", "[ft_i]", "feet"]),
    scaled("m", 1000.0, &["km", "KMT"]),
    scaled("m", 1609.344, &["mi", "[mi_i]", "SMI"]),
    scaled("m", 1.0, &["m", "MTR", "metre", "meter"]),
    scaled("mm", 1.0, &["mm", "MMT"]),
    scaled("V", 0.001, &["mV", "2Z", "millivolt"]),
    scaled("V", 1.0, &["V", "VLT", "volt", "volts"]),
    scaled("A", 0.001, &["mA", "4K", "milliampere"]),
    scaled("A", 1.0, &["A", "AMP", "ampere"]),
    scaled("W", 0.001, &["mW"]),
    scaled("W", 1000.0, &["kW", "KWT", "kilowatt"]),
    scaled("W", 1.0, &["W", "WTT", "watt", "watts"]),
    scaled("VA", 1000.0, &["kVA", "KVA"]),
    scaled("VA", 1.0, &["VA", "D46"]),
    scaled("var", 1000.0, &["kvar", "kVAr", "KVR"]),
    scaled("var", 1.0, &["var", "VAr", "D44"]),
    scaled("kWh", 0.001, &["Wh", "WHR"]),
    scaled("kWh", 1.0, &["kWh", "KWH", "kW.h"]),
    scaled("kWh", 1000.0, &["MWh", "MWH"]),
    scaled("kWh", 1.0 / 60_000.0, &["W-min", "Wmin"]),
    scaled("kWh", 1.0 / 3.6, &["MJ"]),
    scaled("kWh", 1.0 / 3_600_000.0, &["J", "JOU", "joule"]),
    scaled("Bq/m3", 37.0, &["pCi/L", "pCi/l", "pci"]),
    scaled("Bq/m3", 1.0, &["Bq/m3", "Bq/m³"]),
    scaled("ug/m3", 1.0, &["ug/m3", "µg/m³", "μg/m³", "μg/m3", "µg/m3", "ug/m³", "ug/m^3", "GQ"]),
    scaled("ppm", 1.0, &["ppm", "PPM", "59", "[ppm]"]),
    scaled("lx", 1000.0, &["klx", "KLX", "klux"]),
    scaled("lx", 10.763_910_416_7, &["fc", "foot-candle", "footcandle"]),
    scaled("lx", 1.0, &["lx", "LUX", "lux", "Lux"]),
    scaled("uS/cm", 1000.0, &["dS/m", "mS/cm"]),
    scaled("uS/cm", 1.0, &["uS/cm", "µS/cm", "μS/cm"]),
    scaled("l", 3.785_411_784, &["gal", "[gal_us]", "GLL", "gallons"]),
    scaled("l", 1000.0, &["m3", "m³", "MTQ"]),
    scaled("l", 1.0, &["l", "L", "LTR", "litre", "liter"]),
    scaled("deg", 57.295_779_513_1, &["rad", "C81"]),
    scaled("deg", 1.0, &["deg", "°", "º", "DD", "degrees"]),
    scaled("kg", 0.453_592_37, &["lb", "lbs", "[lb_av]", "LBR"]),
    scaled("kg", 1.0, &["kg", "KGM"]),
    scaled("Hz", 1000.0, &["kHz", "KHZ"]),
    scaled("Hz", 1_000_000.0, &["MHz", "MHZ"]),
    scaled("Hz", 1.0, &["Hz", "HTZ", "hertz"]),
    scaled("W/m2", 1.0, &["W/m2", "W/m²", "W/m^2", "wm2", "D54"]),
    scaled("dB", 1.0, &["dB", "dBA", "dB(A)", "2N"]),
    scaled("s", 1.0, &["s", "sec", "SEC", "seconds"]),
    scaled("%RH", 1.0, &["%RH", "%rH", "%r.H.", "% RH"]),
    scaled("/", 1.0, &["/"]),
    scaled("1", 1.0, &["1", "C62", "UV index"]),
    scaled("count", 1.0, &["count", "counts"]),
];

/// Symbols that are kept as they are: the rest of SenML's registry, and UCUM's for what it lacks.
const KEPT: &[&str] = &[
    "g", "cd", "mol", "sr", "N", "Ohm", "S", "Wb", "T", "H", "lm", "Bq", "Gy", "Sv", "kat", "m2", "m/s2",
    "m3/s", "l/s", "cd/m2", "bit", "bit/s", "lat", "lon", "pH", "dBW", "dBm", "Bspl", "%EL", "EL", "1/s",
    "1/min", "beat/min", "beats", "S/m", "B", "VAs", "vars", "J/m", "kg/m3", "NTU", "ms", "us", "ns", "min",
    "h", "d", "Ah", "varh", "kvarh", "VAh", "kVAh", "Wh/km", "KiB", "GB", "Mbit/s", "B/s", "MB/s", "m/h",
    "/1000", "mg/m3", "ppb", "%", "g/m3", "m3/h", "l/min", "l/h", "kOhm", "mm/s",
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
    let converted = conversion.apply(value);
    // 360 is north to those who write 0 for calm air.
    let is_turned =
        conversion.to == "deg" && metric.ends_with("direction") && !(0.0..=360.0).contains(&converted);
    Some((if is_turned { converted.rem_euclid(360.0) } else { converted }, conversion.to))
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
    let fits = !name.is_empty() && name.len() <= 200 && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned()).ok_or(NotAMetric)
}

/// What the unit means for this metric only.
fn by_metric(value: f64, unit: &str, metric: &str) -> Option<(f64, &'static str)> {
    let percent = matches!(unit, "%" | "P1" | "percent" | "/100" | "% ");
    let humidity = metric == "relative_humidity";
    if percent && humidity {
        return Some((value, "%RH"));
    }
    if percent {
        return Some((value, if metric == "battery_level" { "%EL" } else { "%" }));
    }
    match unit {
        "/" if humidity => Some((value * 100.0, "%RH")),
        "ppb" | "61" if matches!(metric, "co2" | "no2" | "o3") => Some((value / 1000.0, "ppm")),
        "61" => Some((value, "ppb")),
        "mg/m3" | "mg/m³" | "GP" if metric.starts_with("pm") => Some((value * 1000.0, "ug/m3")),
        "mg/m³" | "GP" => Some((value, "mg/m3")),
        "Wh" | "WHR" if metric == "energy_period" => Some((value, "Wh")),
        "MMT" | "mm" if matches!(metric, "distance" | "level" | "depth") => Some((value / 1000.0, "m")),
        _ => None,
    }
}

impl Conversion {
    fn apply(&self, value: f64) -> f64 {
        // A division by a power of ten is exact where the product with its inverse is not: 21.7 mV is 0.0217 V.
        let divisor = self.factor.recip().round();
        if matches!(divisor, 10.0 | 100.0 | 1000.0) && divisor.recip() == self.factor {
            (value + self.offset) / divisor
        } else {
            (value + self.offset) * self.factor
        }
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
    let mut all = [const { scaled("", 1.0, &[]) }; KEPT.len()];
    let mut index = 0;
    while index < KEPT.len() {
        all[index] = scaled(KEPT[index], 1.0, std::slice::from_ref(&KEPT[index]));
        index += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{CONVERSIONS, KEPT, canonical, is_canonical};

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
        assert_close(29.92, "inHg", "pressure", (1_013.207_489_067, "hPa"));
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
    fn powers_of_ten_cost_no_digit() {
        assert_eq!(canonical(21.7, "mV", "voltage"), Some((0.0217, "V")));
        assert_eq!(canonical(101_325.0, "Pa", "pressure"), Some((1013.25, "hPa")));
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
