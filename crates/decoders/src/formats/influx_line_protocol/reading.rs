//! From points to readings.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use event_model::reading::truncate_to_micros;
use event_model::{Name, Reading, Sample, Value};
use jiff::Timestamp;

use super::options::Tags;
use super::point::{FieldValue, Point};
use super::precision::Precision;
use super::problem;
use crate::decode::{Context, Decoded, Profile};
use crate::overwritten::Position;
use crate::time::{Clock, Moment};
use crate::{device, measure};

/// The tags that name a device where the source does not say; the first present wins.
const DEVICE_TAGS: [&str; 5] = ["device_id", "device", "sensor_id", "sensor", "host"];

/// The tag of `point` that names its device: key and value.
pub(super) fn device_tag<'p>(point: &'p Point<'_>, profile: &'p Profile) -> Option<(&'p str, &'p str)> {
    let by_key = |key: &'p str| point.tag(key).map(|value| (key, value));
    match profile.options.get::<Tags>() {
        Some(own) if !own.device.is_empty() => own.device.iter().find_map(|key| by_key(key)),
        _ => DEVICE_TAGS.iter().find_map(|key| by_key(key)),
    }
}

/// The values of the tags that tell a device's series apart: Telegraf's `cpu=cpu0`.
fn channel(point: &Point<'_>, profile: &Profile) -> Name {
    let tags = profile.options.get::<Tags>().into_iter().flat_map(|tags| &tags.channel);
    let values: Vec<&str> = tags.filter_map(|key| point.tag(key)).collect();
    device::channel(&values.join("."))
}

/// Which reading a point gives: device, channel, metric and time.
type Key = (Name, Name, Name, Timestamp);

/// The line that gave a reading, that point's other tags, and where the reading is.
struct Origin {
    line: usize,
    tags: Rc<str>,
    position: Position,
}

/// Takes the points of one payload, one after the other.
pub(super) struct Points<'a> {
    context: Context<'a>,
    clock: Clock,
    precision: Precision,
    /// The names of metrics so far, each once.
    metrics: HashSet<Name>,
    /// Where each reading so far came from.
    seen: HashMap<Key, Origin>,
    /// The lines of which it was said that another takes their place.
    reported: HashSet<usize>,
    overwritten: HashSet<Position>,
    tags: HashSet<(Name, String, String)>,
}

impl<'a> Points<'a> {
    pub(super) fn new(context: Context<'a>, precision: Precision) -> Self {
        Self {
            context,
            clock: Clock::new(context),
            precision,
            metrics: HashSet::new(),
            seen: HashMap::new(),
            reported: HashSet::new(),
            overwritten: HashSet::new(),
            tags: HashSet::new(),
        }
    }

    /// Adds the readings of `point` to `decoded`, or the reason why it has none.
    pub(super) fn add(&mut self, point: &Point<'_>, decoded: &mut Decoded) {
        match self.sample(point) {
            Ok(Sample { device, channel, observed_at, readings }) => {
                let other_tags = self.other_tags(point, decoded, &device);
                for reading in readings {
                    let key = (device.clone(), channel.clone(), reading.metric.clone(), observed_at);
                    decoded.push(&device, &channel, observed_at, reading);
                    if decoded.is_full() {
                        return;
                    }
                    self.note_overwritten(point.line, &other_tags, key, decoded);
                }
            }
            Err(reason) => decoded.problems.note(|| problem(point.line, reason)),
        }
    }

    fn sample(&mut self, point: &Point<'_>) -> Result<Sample, String> {
        let profile = self.context.profile;
        if point.fields.len() > profile.reading_limit() {
            return Err(format!("the point has more than {} fields", profile.reading_limit()));
        }
        let device = match device_tag(point, profile) {
            Some((key, value)) => {
                device::normalise(value).map_err(|reason| format!("tag `{key}`: {reason}"))?.into()
            }
            None => self.context.unnamed_device().map_err(|problem| problem.reason)?,
        };
        let moment = self.moment(point)?;
        let mut readings = Vec::with_capacity(point.fields.len());
        for (key, value) in &point.fields {
            let value = value_of(value).map_err(|reason| format!("field `{key}`: {reason}"))?;
            let metric = self.metric(&point.measurement, key)?;
            let (value, unit) = self.in_canonical_unit(value, &metric);
            let mut reading = Reading {
                raw_metric: self.context.raw_name("", &metric),
                metric,
                value,
                unit,
                quality: moment.quality,
                flags: moment.flag.into_iter().collect(),
            };
            measure::doubt_if_impossible(&mut reading);
            readings.push(reading);
        }
        let channel = channel(point, profile);
        Ok(Sample { device, channel, observed_at: moment.at, readings })
    }

    /// `measurement.field`; points that name the same share it.
    fn metric(&mut self, measurement: &str, field: &str) -> Result<Name, String> {
        // As long as either is, it is copied for no more than a problem.
        measure::bounded("metric", measurement)?;
        measure::bounded("metric", field)?;
        let metric = format!("{measurement}.{field}");
        measure::bounded("metric", &metric)?;
        if let Some(known) = self.metrics.get(metric.as_str()) {
            return Ok(known.clone());
        }
        let metric = Name::from(metric);
        self.metrics.insert(metric.clone());
        Ok(metric)
    }

    /// When a point was measured; without a timestamp, the receive time no finer than the request's precision.
    fn moment(&self, point: &Point<'_>) -> Result<Moment, String> {
        let out_of_range = || "the timestamp is out of range".to_owned();
        let received_at = self.context.received_at;
        let nanoseconds = match point.timestamp {
            Some(timestamp) => self.precision.nanoseconds(timestamp).ok_or_else(out_of_range)?,
            None => self.precision.truncate(received_at.as_nanosecond()),
        };
        let at = Timestamp::from_nanosecond(nanoseconds).map_err(|_| out_of_range())?;
        Ok(match point.timestamp {
            None => Moment { at: truncate_to_micros(at), ..self.clock.received() },
            Some(_) => self.clock.moment(Some(at)),
        })
    }

    /// The protocol has no units; the source may state one for a metric.
    fn in_canonical_unit(&self, value: Value, metric: &str) -> (Value, Option<Name>) {
        let Some(unit) = self.context.profile.units.get(metric) else { return (value, None) };
        let Value::Number(number) = value else { return (value, None) };
        match event_model::units::canonical(number, unit, metric) {
            Some((number, unit)) => (Value::Number(number), Some(Name::known(unit))),
            None => (value, Some(unit.as_str().into())),
        }
    }

    /// Keeps the tags that do not name the device as tags of the device, and returns them as one text.
    fn other_tags(&mut self, point: &Point<'_>, decoded: &mut Decoded, device: &Name) -> Rc<str> {
        let device_key = device_tag(point, self.context.profile).map(|(key, _)| key);
        let mut others: Vec<_> =
            point.tags.iter().filter(|(key, _)| Some(key.as_ref()) != device_key).collect();
        others.sort_unstable();
        for (key, value) in &others {
            let tag = (device.clone(), key.to_string(), value.to_string());
            if self.tags.insert(tag.clone()) {
                decoded.tags.push(tag);
            }
        }
        others.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>().into()
    }

    /// Reports a reading that the one which was pushed last takes the place of: its tags are others, or its value is.
    fn note_overwritten(&mut self, line: usize, tags: &Rc<str>, key: Key, decoded: &mut Decoded) {
        let Some(position) = decoded.last_position() else { return };
        let Some(earlier) = self.seen.insert(key, Origin { line, tags: Rc::clone(tags), position }) else {
            return;
        };
        let is_equal = decoded.at(earlier.position).value == decoded.at(position).value;
        self.overwritten.insert(earlier.position);
        let reason = if earlier.tags != *tags {
            format!(
                "line {line} has the same device, channel, metric and time, and only its tags are others; name the \
                 tag that tells them apart in the source's channel_tags or device_tags"
            )
        } else if is_equal {
            return;
        } else if earlier.line == line {
            "a field has two values; the last one is stored".to_owned()
        } else {
            format!("line {line} is the same point with another value; the last one is stored")
        };
        if self.reported.insert(earlier.line) {
            decoded.problems.note(|| problem(earlier.line, reason));
        }
    }

    /// Takes out what later points took the place of.
    pub(super) fn finish(self, decoded: &mut Decoded) {
        decoded.leave_out(&self.overwritten);
    }
}

/// Integers become doubles, exact to 2^53.
fn value_of(value: &FieldValue<'_>) -> Result<Value, &'static str> {
    Ok(match value {
        FieldValue::Float(number) => Value::Number(*number),
        FieldValue::Integer(number) => Value::Number(*number as f64),
        FieldValue::Unsigned(number) => Value::Number(*number as f64),
        FieldValue::Boolean(flag) => Value::Flag(*flag),
        FieldValue::Text(text) if text.contains('\0') => return Err("the text holds a NUL character"),
        FieldValue::Text(text) => Value::Text(text.to_string()),
    })
}
