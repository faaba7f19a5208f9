//! The keys of a rule in `freshet.yaml` that say when a series is in breach; thresholds are read into the metric's
//! canonical unit.

use event_model::units;
use jiff::SignedDuration;
use serde_json::json;
use settings::yaml::{Node, Value};
use settings::{Choice, Custom, DurationWithin, Fields, Number, Object, Parsed, Report, Shape};

use crate::rule::{Condition, Direction};

/// The keys that say which kind of condition a rule has.
const KINDS: [&str; 5] = ["above", "below", "outside", "rate_of_change", "absent"];
const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// The longest time that a rule may speak of.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// What the keys say, in the units of the file.
struct Keys {
    above: Option<f64>,
    below: Option<f64>,
    outside: Option<(f64, f64)>,
    rate: Option<Rate>,
    absent: Option<SignedDuration>,
    /// A number is both.
    clear: Option<(f64, f64)>,
}

struct Rate {
    above: f64,
    per: SignedDuration,
    direction: Direction,
    window: SignedDuration,
}

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
        self.unit.and_then(|unit| units::difference(value, unit, self.metric)).unwrap_or(value)
    }
}

/// The condition of the rule in `fields`, which watches `metric`, and how long a breach must last.
pub fn condition(fields: &Fields<'_>, metric: &str) -> Option<(Condition, SignedDuration)> {
    let present = fields.one_of(&KINDS);
    let keys = read(fields, present == ["outside"]);
    let unit = fields.optional(
        "unit",
        "The unit of the thresholds; the metric's canonical unit where absent.",
        Parsed::new(|unit| units::known(unit, metric)),
    );
    let hold = fields.or(
        "for",
        "How long, by the readings' own time, a breach must last before the alert fires.",
        DurationWithin(SignedDuration::ZERO, LONGEST),
        SignedDuration::ZERO,
    );
    let scale = Scale { metric, unit: unit.as_deref() };
    let condition = match present[..] {
        ["absent"] => absent(fields, keys.absent),
        [_] if fields.has("clear") && keys.clear.is_none() => None,
        ["above"] => above(fields, &keys, scale),
        ["below"] => below(fields, &keys, scale),
        ["outside"] => outside(fields, &keys, scale),
        ["rate_of_change"] => rate_of_change(fields, &keys, scale),
        [_, second, ..] => {
            let text = format!("a rule has one condition; this has: {}", present.join(", "));
            fields.report.mistake(fields.place_of(second), text);
            None
        }
        _ => {
            fields.report.mistake(fields.place, format!("a rule needs one of: {}", KINDS.join(", ")));
            None
        }
    };
    condition.map(|condition| (condition, hold))
}

/// Asks for every key of a condition; `clear` is a range where `has_bounds`.
fn read(fields: &Fields<'_>, has_bounds: bool) -> Keys {
    let clear_shape = json!({"anyOf": [
        {"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    ]});
    let clear_shape = Custom::new(clear_shape, move |node, report| {
        if has_bounds { pair(node, report) } else { Number.read(node, report).map(|clear| (clear, clear)) }
    });
    let bounds = json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2});
    Keys {
        above: fields.optional("above", "The alert begins at a value above this.", Number),
        below: fields.optional("below", "The alert begins at a value below this.", Number),
        outside: fields.optional(
            "outside",
            "The alert begins at a value outside `[low, high]`.",
            Custom::new(bounds, pair),
        ),
        rate: fields.optional(
            "rate_of_change",
            "The alert begins where the value changes faster than this.",
            Object::new("RateOfChange", "A rate of change.", rate),
        ),
        absent: fields.optional(
            "absent",
            "The alert begins where no reading came for this long.",
            DurationWithin(SECOND, LONGEST),
        ),
        clear: fields.optional(
            "clear",
            "Where the alert ends: a number, or `[low, high]` with `outside`; the threshold itself where absent.",
            clear_shape,
        ),
    }
}

fn above(fields: &Fields<'_>, keys: &Keys, scale: Scale<'_>) -> Option<Condition> {
    let threshold = keys.above?;
    let (clear, _) = keys.clear.unwrap_or((threshold, threshold));
    if clear > threshold {
        let text = "`clear` lies above the threshold; it must be at it or below";
        fields.report.mistake(fields.place_of("clear"), text);
    }
    Some(Condition::Above { threshold: scale.value(threshold), clear: scale.value(clear) })
}

fn below(fields: &Fields<'_>, keys: &Keys, scale: Scale<'_>) -> Option<Condition> {
    let threshold = keys.below?;
    let (clear, _) = keys.clear.unwrap_or((threshold, threshold));
    if clear < threshold {
        let text = "`clear` lies below the threshold; it must be at it or above";
        fields.report.mistake(fields.place_of("clear"), text);
    }
    Some(Condition::Below { threshold: scale.value(threshold), clear: scale.value(clear) })
}

fn outside(fields: &Fields<'_>, keys: &Keys, scale: Scale<'_>) -> Option<Condition> {
    let (low, high) = keys.outside?;
    let (clear_low, clear_high) = keys.clear.unwrap_or((low, high));
    if clear_low < low || clear_high > high {
        let text = "`clear` reaches beyond the bounds; it must lie within them";
        fields.report.mistake(fields.place_of("clear"), text);
    }
    Some(Condition::Outside {
        low: scale.value(low),
        high: scale.value(high),
        clear_low: scale.value(clear_low),
        clear_high: scale.value(clear_high),
    })
}

fn rate_of_change(fields: &Fields<'_>, keys: &Keys, scale: Scale<'_>) -> Option<Condition> {
    let rate = keys.rate.as_ref()?;
    let (clear, _) = keys.clear.unwrap_or((rate.above, rate.above));
    if clear > rate.above || clear < 0.0 {
        fields.report.mistake(fields.place_of("clear"), "`clear` must lie between 0 and the threshold");
    }
    Some(Condition::RateOfChange {
        threshold: scale.difference(rate.above),
        clear: scale.difference(clear),
        per: rate.per,
        direction: rate.direction,
        window: rate.window,
    })
}

fn absent(fields: &Fields<'_>, after: Option<SignedDuration>) -> Option<Condition> {
    for key in ["clear", "unit"].into_iter().filter(|key| fields.has(key)) {
        fields.report.mistake(fields.place_of(key), format!("`{key}` has no meaning with `absent`"));
    }
    if fields.has("for") {
        let text = "`for` has no meaning with `absent`, which is a duration itself";
        fields.report.mistake(fields.place_of("for"), text);
    }
    after.map(|after| Condition::Absent { after })
}

/// `rate_of_change`.
fn rate(fields: &Fields<'_>) -> Option<Rate> {
    let positive = Custom::new(json!({"type": "number", "exclusiveMinimum": 0}), |node, report| {
        let above = Number.read(node, report)?;
        if above <= 0.0 {
            let text = "a rate of change is above 0; `direction: falling` is for falling values";
            report.mistake(node.place, text);
        }
        Some(above).filter(|above| *above > 0.0)
    });
    let above = fields.required("above", "The change in `per`, above 0.", positive);
    let per =
        fields.required("per", "The time that the change is scaled to.", DurationWithin(SECOND, LONGEST));
    let directions = Choice(&[
        ("either", Direction::Either),
        ("rising", Direction::Rising),
        ("falling", Direction::Falling),
    ]);
    let direction = fields.or("direction", "Which direction counts.", directions, Direction::default());
    let window = fields.or(
        "window",
        "How much older the reading before is at least; those between are not looked at.",
        DurationWithin(SignedDuration::ZERO, LONGEST),
        SignedDuration::ZERO,
    );
    Some(Rate { above: above?, per: per?, direction, window })
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
    let (low, high) = (Number.read(low, report), Number.read(high, report));
    let (low, high) = (low?, high?);
    if low < high {
        return Some((low, high));
    }
    report.mistake(node.place, "the first number must be the smaller one");
    None
}
