//! From a platform's name, value and unit to a reading in our own.

use event_model::name::is_printable;
use event_model::{Name, Quality, Reading, Value, units};

use crate::decode::Profile;
use crate::device::MAX_NAME_BYTES;
use crate::names;
use crate::time::Moment;
use crate::value::{self, Scalar};

/// One value with all that is known about it.
#[derive(Debug, Clone)]
pub struct Measurement<'a> {
    /// The canonical metric name.
    pub metric: Name,
    /// The path of the field, where it is kept.
    pub raw_metric: Option<Box<str>>,
    /// The value.
    pub value: Scalar,
    /// The unit that the payload or the source states for it, as written.
    pub unit: Option<&'a str>,
    /// When it was measured.
    pub moment: Moment,
}

/// The reading, in the canonical unit; `None` where there is no value.
///
/// The unit is the one behind the value in its text, else the stated one, else the source's for this metric, else
/// the table's (flag `assumed_unit`). A stated unit that is not known is kept as it is written (flag `unknown_unit`).
///
/// # Errors
/// The reason, where the metric is a quantity and the value a text, or a name is longer than the database's indexes hold.
pub fn reading(profile: &Profile, measurement: Measurement<'_>) -> Result<Option<Reading>, String> {
    let Measurement { metric, raw_metric, value, unit, moment } = measurement;
    bounded("metric", &metric)?;
    let is_quantity = unit.is_some() || names::default_unit(&metric).is_some();
    let value = match value {
        Scalar::Text(text) if is_quantity => {
            value::of_quantity(&text).ok_or("expected a number, found a string")?
        }
        other => other,
    };
    let with = |value| Reading {
        metric,
        value,
        unit: None,
        quality: moment.quality,
        flags: moment.flag.into_iter().collect(),
        raw_metric,
    };
    match value {
        Scalar::Missing => Ok(None),
        Scalar::Flag(flag) => Ok(Some(with(Value::Flag(flag)))),
        Scalar::Text(text) => Ok(Some(with(Value::Text(text)))),
        Scalar::Number { value, unit: own, lost_digits } => {
            let mut reading = with(Value::Number(value));
            settle(&mut reading, value, own.as_deref().or(unit), profile)?;
            if lost_digits {
                doubt(&mut reading, "lost_digits");
            }
            Ok(Some(reading))
        }
    }
}

/// Refuses a name of a `metric` or `unit` that is longer than the database's indexes hold, or not printable.
pub(crate) fn bounded(what: &str, name: &str) -> Result<(), String> {
    if name.len() > MAX_NAME_BYTES {
        return Err(format!("the {what}'s name is longer than {MAX_NAME_BYTES} bytes"));
    }
    if !name.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !name.chars().all(is_printable) {
        return Err(format!("the {what}'s name holds a control character"));
    }
    Ok(())
}

/// Lowers a good reading to uncertain, and says why.
pub fn doubt(reading: &mut Reading, flag: &'static str) {
    reading.quality = reading.quality.max(Quality::Uncertain);
    if !reading.flags.contains(&flag) {
        reading.flags.push(flag);
    }
}

/// Settles metric, unit and number, and judges whether such a value can be.
fn settle(reading: &mut Reading, value: f64, stated: Option<&str>, profile: &Profile) -> Result<(), String> {
    let stated = stated.or_else(|| profile.units.get(&*reading.metric).map(String::as_str));
    if let Some(unit) = stated {
        bounded("unit", unit)?;
        settle_battery(&mut reading.metric, unit);
    }
    let default = names::default_unit(&reading.metric);
    let (value, unit) = match (stated, default) {
        (Some(unit), _) => match units::canonical(value, unit, &reading.metric) {
            Some((value, unit)) => (value, Some(Name::known(unit))),
            None => {
                reading.flags.push("unknown_unit");
                (value, Some(unit.into()))
            }
        },
        (None, Some(unit)) => {
            reading.flags.push("assumed_unit");
            if !names::is_plausible(&reading.metric, value) {
                doubt(reading, OUT_OF_RANGE);
            }
            (value, Some(Name::known(unit)))
        }
        (None, None) => (value, None),
    };
    reading.value = Value::Number(value);
    reading.unit = unit;
    doubt_if_impossible(reading);
    Ok(())
}

/// `battery` alone may be volts, per cent or a level of its own; the unit tells.
fn settle_battery(metric: &mut Name, unit: &str) {
    if *metric == "battery" {
        match units::canonical(0.0, unit, "battery_level") {
            Some((_, "%EL")) => *metric = Name::known("battery_level"),
            Some((_, "V")) => *metric = Name::known("battery_voltage"),
            _ => {}
        }
    }
}

/// Values that sensors and codecs send when nothing is connected or the converter is at its end: a disconnected
/// DS18B20 (-127), the top of the range of common probes (125), and 16 bits of ones in tenths and hundredths.
const SENTINELS: [f64; 6] = [125.0, -127.0, 327.67, -327.68, 3276.7, -3276.8];

/// The flag of a value that cannot be, that can hardly be what its unit was assumed to be, or that is outside of its device's range.
pub const OUT_OF_RANGE: &str = "out_of_range";

/// Doubts a number that cannot be in its unit, whoever states that. An assumed unit has a range for each metric beside that
/// ([`names::is_plausible`]).
pub(crate) fn doubt_if_impossible(reading: &mut Reading) {
    let Value::Number(value) = reading.value else { return };
    if let Some(flag) = impossible(value, reading.unit.as_deref()) {
        doubt(reading, flag);
    }
}

/// Why a value cannot be: [`OUT_OF_RANGE`], or `sentinel`.
fn impossible(value: f64, unit: Option<&str>) -> Option<&'static str> {
    let range = match unit {
        Some("Cel") if SENTINELS.contains(&value) => return Some("sentinel"),
        Some("Cel") => -273.15..=f64::INFINITY,
        Some("%RH") => -5.0..=110.0,
        Some("%EL") => 0.0..=101.0,
        Some("ppm") => 0.0..=1_000_000.0,
        Some("lat") => -90.0..=90.0,
        Some("lon") => -180.0..=180.0,
        _ => return None,
    };
    (!range.contains(&value)).then_some(OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use event_model::{Name, Quality, Reading, Value};
    use jiff::Timestamp;

    use super::{Measurement, reading};
    use crate::decode::Profile;
    use crate::time::Moment;
    use crate::value::{Scalar, of_text};

    fn measured(metric: &str, value: Scalar, unit: Option<&str>) -> Result<Option<Reading>, String> {
        let mut profile = Profile::default();
        profile.units.insert("wind_speed".into(), "mph".into());
        let moment = Moment { at: Timestamp::UNIX_EPOCH, quality: Quality::Good, flag: None };
        let measurement = Measurement { metric: metric.into(), raw_metric: None, value, unit, moment };
        reading(&profile, measurement)
    }

    fn outcome(metric: &str, text: &str, unit: Option<&str>) -> (Name, Value, Option<Name>, Quality) {
        let reading = measured(metric, of_text(text, &[]), unit).unwrap().unwrap();
        (reading.metric, reading.value, reading.unit, reading.quality)
    }

    fn good(metric: &str, value: f64, unit: Option<&str>) -> (Name, Value, Option<Name>, Quality) {
        (metric.into(), Value::Number(value), unit.map(Into::into), Quality::Good)
    }

    #[test]
    fn the_unit_nearest_to_the_value_wins() {
        assert_eq!(outcome("temperature", "212 °F", Some("K")), good("temperature", 100.0, Some("Cel")));
        assert_eq!(outcome("temperature", "273.15", Some("K")), good("temperature", 0.0, Some("Cel")));
        assert_eq!(outcome("wind_speed", "100", None), good("wind_speed", 44.704, Some("m/s")));
        assert_eq!(outcome("power", "1", None), good("power", 1.0, Some("W")));
        assert_eq!(outcome("temperature", "68F", None), good("temperature", 20.0, Some("Cel")));
        assert_eq!(outcome("length", "3", Some("furlong")), good("length", 3.0, Some("furlong")));
    }

    #[test]
    fn a_battery_is_what_its_unit_says() {
        assert_eq!(outcome("battery", "92 %", None), good("battery_level", 92.0, Some("%EL")));
        assert_eq!(outcome("battery", "2990 mV", None), good("battery_voltage", 2.99, Some("V")));
        assert_eq!(outcome("battery", "3250", None), good("battery", 3250.0, None));
    }

    #[test]
    fn values_that_can_hardly_be_are_uncertain() {
        for value in ["125", "900", "-300", "-127"] {
            assert_eq!(outcome("temperature", value, None).3, Quality::Uncertain, "{value}");
        }
        for (metric, value) in
            [("voltage", "3649"), ("pressure", "101325"), ("pressure", "29.92"), ("power_factor", "97")]
        {
            assert_eq!(outcome(metric, value, None).3, Quality::Uncertain, "{metric} {value}");
        }
        assert_eq!(outcome("counter", "125", None).3, Quality::Good);
        assert_eq!(outcome("temperature", "85", None).3, Quality::Good);
    }

    #[test]
    fn a_stated_unit_is_believed_as_far_as_its_value_can_be() {
        for (metric, value, unit) in
            [("temperature", "900", "Cel"), ("voltage", "3649", "V"), ("pressure", "101325", "hPa")]
        {
            assert_eq!(outcome(metric, value, Some(unit)).3, Quality::Good, "{metric} {value}");
        }
        for (metric, value, unit) in
            [("temperature", "-300", "Cel"), ("relative_humidity", "250", "%RH"), ("latitude", "91", "lat")]
        {
            assert_eq!(outcome(metric, value, Some(unit)).3, Quality::Uncertain, "{metric} {value}");
        }
    }

    #[test]
    fn names_that_no_index_holds_are_refused() {
        let long = "ü".repeat(300);
        let reason = measured(&long, Scalar::number(1.0), None).unwrap_err();
        assert_eq!(reason, "the metric's name is longer than 512 bytes");
        let reason = measured("speed", Scalar::number(1.0), Some("m\u{202e}s")).unwrap_err();
        assert_eq!(reason, "the unit's name holds a control character");
        let reason = measured("speed", Scalar::number(1.0), Some(&long)).unwrap_err();
        assert_eq!(reason, "the unit's name is longer than 512 bytes");
    }

    #[test]
    fn a_text_is_a_reading_only_where_no_quantity_is_meant() {
        assert!(measured("event", Scalar::Text("setup".into()), None).unwrap().is_some());
        let expected = Err("expected a number, found a string".to_owned());
        assert_eq!(measured("temperature", Scalar::Text("warm".into()), None), expected);
        assert_eq!(measured("temperature", Scalar::Missing, None), Ok(None));
    }
}
