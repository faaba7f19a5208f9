//! The condition of a rule, its thresholds in the metric's canonical unit.

use event_model::units;
use jiff::SignedDuration;
use rules::Condition;
use rules::rule::Direction;

use crate::fields::Fields;
use crate::report::Report;
use crate::scalar;
use crate::yaml::{Node, Value};

/// The keys that say which kind of condition a rule has.
const KINDS: [&str; 5] = ["above", "below", "outside", "rate_of_change", "absent"];

/// Converts thresholds from the unit of the file.
#[derive(Clone, Copy)]
struct Scale<'a> {
    metric: &'a str,
    unit: Option<&'a str>,
}

impl Scale<'_> {
    /// A value; as it stands where the file names no unit.
    fn value(self, value: f64) -> f64 {
        let converted = self.unit.and_then(|unit| units::canonical(value, unit, self.metric));
        converted.map_or(value, |(value, _)| value)
    }

    /// A difference of two values: 9 degrees Fahrenheit are 5 kelvin.
    fn difference(self, value: f64) -> f64 {
        self.value(value) - self.value(0.0)
    }
}

/// Reads the condition of the rule in `fields`.
pub(crate) fn read(fields: &Fields<'_>, metric: Option<&str>, unit: Option<&str>) -> Option<Condition> {
    let scale = Scale { metric: metric.unwrap_or_default(), unit };
    let present = fields.present(&KINDS);
    match present[..] {
        ["above"] => above(fields, scale),
        ["below"] => below(fields, scale),
        ["outside"] => outside(fields, scale),
        ["rate_of_change"] => rate_of_change(fields, scale),
        ["absent"] => absent(fields),
        [] => {
            fields.report.mistake(fields.place, format!("a rule needs one of: {}", KINDS.join(", ")));
            fields.get("clear");
            None
        }
        _ => {
            let place = fields.place_of(present[1]);
            fields
                .report
                .mistake(place, format!("a rule has one condition; this has: {}", present.join(", ")));
            fields.get("clear");
            None
        }
    }
}

fn above(fields: &Fields<'_>, scale: Scale<'_>) -> Option<Condition> {
    let (threshold, clear) = threshold_and_clear(fields, "above")?;
    if clear > threshold {
        fields
            .report
            .mistake(fields.place_of("clear"), "`clear` lies above the threshold; it must be at it or below");
    }
    Some(Condition::Above { threshold: scale.value(threshold), clear: scale.value(clear) })
}

fn below(fields: &Fields<'_>, scale: Scale<'_>) -> Option<Condition> {
    let (threshold, clear) = threshold_and_clear(fields, "below")?;
    if clear < threshold {
        fields
            .report
            .mistake(fields.place_of("clear"), "`clear` lies below the threshold; it must be at it or above");
    }
    Some(Condition::Below { threshold: scale.value(threshold), clear: scale.value(clear) })
}

/// The threshold at `key`, and `clear`, which is the threshold where it is absent.
fn threshold_and_clear(fields: &Fields<'_>, key: &'static str) -> Option<(f64, f64)> {
    let threshold = fields.get(key).and_then(|node| scalar::number(node, fields.report));
    let clear = fields.get("clear").map(|node| scalar::number(node, fields.report));
    let threshold = threshold?;
    Some((threshold, clear.unwrap_or(Some(threshold))?))
}

fn outside(fields: &Fields<'_>, scale: Scale<'_>) -> Option<Condition> {
    let bounds = fields.get("outside").and_then(|node| pair(node, fields.report));
    let clear = fields.get("clear").map(|node| pair(node, fields.report));
    let (low, high) = bounds?;
    let (clear_low, clear_high) = clear.unwrap_or(Some((low, high)))?;
    if clear_low < low || clear_high > high {
        fields
            .report
            .mistake(fields.place_of("clear"), "`clear` reaches beyond the bounds; it must lie within them");
    }
    Some(Condition::Outside {
        low: scale.value(low),
        high: scale.value(high),
        clear_low: scale.value(clear_low),
        clear_high: scale.value(clear_high),
    })
}

/// `[low, high]`.
fn pair(node: &Node, report: &Report) -> Option<(f64, f64)> {
    let Value::List(items) = &node.value else {
        report.expected(node, "a list of two numbers, `[low, high]`");
        return None;
    };
    let [low, high] = &items[..] else {
        report.mistake(node.place, "expected two numbers, `[low, high]`");
        return None;
    };
    let (low, high) = (scalar::number(low, report), scalar::number(high, report));
    let (low, high) = (low?, high?);
    if low < high {
        return Some((low, high));
    }
    report.mistake(node.place, "the first number must be the smaller one");
    None
}

fn rate_of_change(fields: &Fields<'_>, scale: Scale<'_>) -> Option<Condition> {
    let report = fields.report;
    let rate = Fields::of(fields.get("rate_of_change")?, "RateOfChange", report)?;
    let threshold = rate.require("above").and_then(|node| scalar::number(node, report));
    let (low, high) = (SignedDuration::from_secs(1), SignedDuration::from_hours(31 * 24));
    let per = rate.require("per").and_then(|node| scalar::duration_within(node, low, high, report));
    let directions =
        [("either", Direction::Either), ("rising", Direction::Rising), ("falling", Direction::Falling)];
    let direction = rate.get("direction").and_then(|node| scalar::choice(node, &directions, report));
    let clear = fields.get("clear").map(|node| scalar::number(node, report));
    let place = rate.place_of("above");
    rate.close();
    let threshold = threshold?;
    let clear = clear.unwrap_or(Some(threshold))?;
    if threshold <= 0.0 {
        report.mistake(place, "a rate of change is above 0; `direction: falling` is for falling values");
    } else if clear > threshold || clear < 0.0 {
        report.mistake(fields.place_of("clear"), "`clear` must lie between 0 and the threshold");
    }
    Some(Condition::RateOfChange {
        threshold: scale.difference(threshold),
        clear: scale.difference(clear),
        per: per?,
        direction: direction.unwrap_or_default(),
    })
}

fn absent(fields: &Fields<'_>) -> Option<Condition> {
    for key in ["clear", "unit"] {
        if fields.get(key).is_some() {
            fields.report.mistake(fields.place_of(key), format!("`{key}` has no meaning with `absent`"));
        }
    }
    let (low, high) = (SignedDuration::from_secs(1), SignedDuration::from_hours(31 * 24));
    let after = fields.get("absent").and_then(|node| scalar::duration_within(node, low, high, fields.report));
    after.map(|after| Condition::Absent { after })
}
