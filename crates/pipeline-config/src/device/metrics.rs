//! What a device's values are corrected by, and between which they are believed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use decoders::names;
use event_model::{Name, decimal, units};
use jiff::Timestamp;
use settings::yaml::Node;
use settings::{Fields, Keyed, Named, Number, Object, OneOrMany, Parsed, Place, Report, Schema, Shape};

use crate::rule;

/// The most metrics of one device that have calibrations or a range.
const MAX_METRICS: usize = 100;
/// The most calibrations of one metric.
const MAX_CALIBRATIONS: usize = 100;

/// What the file says of one metric of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceMetric {
    /// The metric's name as it is stored.
    pub metric: Name,
    /// The calibrations, in the order of their times.
    pub calibrations: Vec<Calibration>,
    /// Between which a value is believed.
    pub range: Option<Range>,
}

/// How a value is corrected: value * factor + offset, in the unit in which it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// What is added at last.
    pub offset: f64,
    /// By what the value is multiplied; not 0.
    pub factor: f64,
    /// From which time of measurement on; `None`: always.
    pub from: Option<Timestamp>,
}

/// Between which a value is believed, both included; at least one of the two is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The least.
    pub min: Option<f64>,
    /// The most.
    pub max: Option<f64>,
}

impl DeviceMetric {
    /// The calibration of what was measured at `observed_at`: the last that is not from later.
    pub fn calibration(&self, observed_at: Timestamp) -> Option<&Calibration> {
        let later = self.calibrations.partition_point(|own| own.from.is_none_or(|from| from <= observed_at));
        self.calibrations[..later].last()
    }
}

impl Calibration {
    /// The value that was meant, as exact as decimals are; not finite where that is larger than a double can be.
    pub fn apply(&self, value: f64) -> f64 {
        decimal::linear(value, self.factor, self.offset)
    }
}

impl Range {
    /// Whether the value is believed.
    pub fn holds(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

/// What may be wrong with the metrics of one source's devices; each is warned of once.
#[derive(Clone)]
pub(super) struct Doubts {
    own_metrics: Rc<BTreeSet<String>>,
    seen: Rc<RefCell<BTreeSet<String>>>,
}

impl Doubts {
    /// Those of a source that names these metrics itself.
    pub(super) fn of(own_metrics: BTreeSet<String>) -> Self {
        Self { own_metrics: Rc::new(own_metrics), seen: Rc::default() }
    }

    /// Warns of a metric that no reading will have, and of one whose unit is not known.
    fn warn(&self, metric: &str, place: Place, report: &Report) {
        if self.own_metrics.contains(metric) || !self.seen.borrow_mut().insert(metric.to_owned()) {
            return;
        }
        let text = match rule::stored_name(metric) {
            Some(text) => text,
            None if names::default_unit(metric).is_none() => {
                format!(
                    "no unit is known for `{metric}`: its values are calibrated and compared as they are stored"
                )
            }
            None => return,
        };
        report.warn(place, text);
    }
}

/// `calibration` and `ranges` of a device.
pub(super) fn read(fields: &Fields<'_>, doubts: &Doubts) -> Vec<DeviceMetric> {
    let calibrations = fields.optional(
        "calibration",
        "How values are corrected, by metric.",
        Keyed::new(units::metric_name, |_: &str| Calibrations(OneOrMany(calibration()))),
    );
    let ranges = fields.optional(
        "ranges",
        "Between which values are believed, by metric.",
        Keyed::new(units::metric_name, |_: &str| range()),
    );
    let mut all: BTreeMap<String, (Vec<Calibration>, Option<Range>)> = BTreeMap::new();
    for Named { name, place, value } in calibrations.unwrap_or_default() {
        doubts.warn(&name, place, fields.report);
        all.entry(name).or_default().0 = value;
    }
    for Named { name, place, value } in ranges.unwrap_or_default() {
        doubts.warn(&name, place, fields.report);
        all.entry(name).or_default().1 = Some(value);
    }
    if all.len() > MAX_METRICS {
        let text = format!("a device has calibrations and ranges of at most {MAX_METRICS} metrics");
        fields.report.mistake(fields.place, text);
    }
    let metric = |(metric, (calibrations, range)): (String, _)| DeviceMetric {
        metric: metric.into(),
        calibrations,
        range,
    };
    all.into_iter().map(metric).collect()
}

/// One calibration or several, with their order checked.
struct Calibrations<S>(S);

impl<S: Shape<Value = Vec<(Place, Calibration)>>> Shape for Calibrations<S> {
    type Value = Vec<Calibration>;

    fn read(&self, node: &Node, report: &Report) -> Option<Vec<Calibration>> {
        let list = self.0.read(node, report)?;
        if list.len() > MAX_CALIBRATIONS {
            report.mistake(node.place, format!("a metric has at most {MAX_CALIBRATIONS} calibrations"));
        }
        for pair in list.windows(2) {
            let [(_, before), (place, after)] = pair else { continue };
            if after.from.is_none() {
                report
                    .mistake(*place, "`from` is missing: only the first of several holds from the beginning");
            } else if after.from <= before.from {
                report.mistake(
                    *place,
                    "`from` is not after that of the entry before: the list is in its order",
                );
            }
        }
        Some(list.into_iter().map(|(_, calibration)| calibration).collect())
    }

    fn schema(&self, schema: &Schema) -> serde_json::Value {
        self.0.schema(schema)
    }
}

fn calibration() -> impl Shape<Value = (Place, Calibration)> {
    let text =
        "The value is multiplied by `factor`, then `offset` is added, in the unit in which it is stored.";
    Object::new("Calibration", text, |fields: &Fields<'_>| {
        let offset = fields.optional("offset", "What is added; 0 where absent.", Number);
        let factor =
            fields.optional("factor", "By what it is multiplied; not 0, and 1 where absent.", Number);
        let from = fields.optional(
            "from",
            "From which time of measurement on; always where absent.",
            Parsed::new(|time: &str| {
                time.parse::<Timestamp>().map_err(|_| "expected a time such as `2026-11-01T00:00:00Z`")
            }),
        );
        if !fields.has("offset") && !fields.has("factor") {
            fields.report.mistake(fields.place, "`offset` or `factor` is missing");
        }
        if factor == Some(0.0) {
            fields.report.mistake(fields.place_of("factor"), "a factor of 0 makes every value the same");
        }
        let (offset, factor) = (offset.unwrap_or(0.0), factor.unwrap_or(1.0));
        Some((fields.place, Calibration { offset, factor, from }))
    })
}

fn range() -> impl Shape<Value = Range> {
    let text = "Between which a value is believed, both included, in the unit in which it is stored.";
    Object::new("Range", text, |fields: &Fields<'_>| {
        let min = fields.optional("min", "The least; no bound where absent.", Number);
        let max = fields.optional("max", "The most; no bound where absent.", Number);
        if !fields.has("min") && !fields.has("max") {
            fields.report.mistake(fields.place, "`min` or `max` is missing");
        }
        if min.zip(max).is_some_and(|(min, max)| min >= max) {
            fields.report.mistake(fields.place_of("max"), "`max` is not above `min`");
        }
        Some(Range { min, max })
    })
}

#[cfg(test)]
mod tests {
    use super::{Calibration, DeviceMetric, Range, Timestamp};

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn the_last_calibration_that_is_not_from_later_counts() {
        let calibration =
            |offset, from: Option<&str>| Calibration { offset, factor: 1.0, from: from.map(at) };
        let metric = |calibrations| DeviceMetric { metric: "temperature".into(), calibrations, range: None };
        let dated =
            [calibration(1.0, Some("2026-01-01T00:00:00Z")), calibration(2.0, Some("2026-02-01T00:00:00Z"))];
        let offset = |metric: &DeviceMetric, time| metric.calibration(at(time)).map(|found| found.offset);
        let later = metric(dated.to_vec());
        for (time, expected) in [
            ("2025-12-31T23:59:59.999999Z", None),
            ("2026-01-01T00:00:00Z", Some(1.0)),
            ("2026-01-31T23:59:59Z", Some(1.0)),
            ("2026-02-01T00:00:00Z", Some(2.0)),
            ("2030-01-01T00:00:00Z", Some(2.0)),
        ] {
            assert_eq!(offset(&later, time), expected, "{time}");
        }
        let always = metric([&[calibration(0.5, None)], &dated[..]].concat());
        assert_eq!(offset(&always, "1980-01-01T00:00:00Z"), Some(0.5));
        assert_eq!(offset(&always, "2026-01-01T00:00:00Z"), Some(1.0));
    }

    #[test]
    fn a_range_includes_its_ends() {
        let range = Range { min: Some(-40.0), max: Some(85.0) };
        assert!(range.holds(-40.0) && range.holds(85.0) && !range.holds(-40.1) && !range.holds(85.1));
        let above = Range { min: Some(0.0), max: None };
        assert!(above.holds(1e300) && !above.holds(-1.0));
    }
}
