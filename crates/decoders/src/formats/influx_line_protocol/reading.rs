//! From points to readings.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use event_model::reading::truncate_to_micros;
use event_model::{Quality, Reading, Value};
use jiff::Timestamp;

use super::point::{FieldValue, Point};
use super::precision::Precision;
use super::problem;
use crate::decode::{Context, Decoded, Profile};
use crate::{device, time};

/// The tags that name a device where the source does not say; the first present wins.
const DEVICE_TAGS: [&str; 5] = ["device_id", "device", "sensor_id", "sensor", "host"];

/// The tag of `point` that names its device: key and value.
pub(super) fn device_tag<'p>(point: &'p Point<'_>, profile: &'p Profile) -> Option<(&'p str, &'p str)> {
    let by_key = |key: &'p str| point.tag(key).map(|value| (key, value));
    if profile.device_tags.is_empty() {
        DEVICE_TAGS.iter().find_map(|key| by_key(key))
    } else {
        profile.device_tags.iter().find_map(|key| by_key(key))
    }
}

/// The values of the tags that tell a device's series apart: Telegraf's `cpu=cpu0`.
fn channel(point: &Point<'_>, profile: &Profile) -> String {
    let values: Vec<&str> = profile.channel_tags.iter().filter_map(|key| point.tag(key)).collect();
    device::channel(&values.join("."))
}

/// Which reading a point gives: device, channel, metric and time.
type Key = (String, String, String, Timestamp);

/// Takes the points of one payload, one after the other.
pub(super) struct Points<'a> {
    context: Context<'a>,
    precision: Precision,
    /// For each reading so far: the line that gave it and that point's other tags.
    seen: HashMap<Key, (usize, String)>,
    overwritten: HashSet<usize>,
    tags: HashSet<(String, String, String)>,
}

impl<'a> Points<'a> {
    pub(super) fn new(context: Context<'a>, precision: Precision) -> Self {
        Self { context, precision, seen: HashMap::new(), overwritten: HashSet::new(), tags: HashSet::new() }
    }

    /// Adds the readings of `point` to `decoded`, or the reason why it has none.
    pub(super) fn add(&mut self, point: &Point<'_>, decoded: &mut Decoded) {
        match self.readings(point) {
            Ok(readings) => {
                let other_tags = self.other_tags(point, decoded, &readings[0].device);
                for reading in readings {
                    self.note_overwritten(point.line, &other_tags, &reading, decoded);
                    decoded.readings.push(reading);
                }
            }
            Err(reason) => decoded.problems.push(problem(point.line, reason)),
        }
    }

    fn readings(&self, point: &Point<'_>) -> Result<Vec<Reading>, String> {
        let profile = self.context.profile;
        if point.fields.len() > profile.reading_limit() {
            return Err(format!("the point has more than {} fields", profile.reading_limit()));
        }
        let device = match device_tag(point, profile) {
            Some((key, value)) => {
                device::normalise(value).map_err(|reason| format!("tag `{key}`: {reason}"))?
            }
            None => profile.source.clone(),
        };
        let channel = channel(point, profile);
        let (observed_at, flag) = self.observed_at(point)?;
        let reading = |(key, value): &(Cow<'_, str>, FieldValue<'_>)| {
            let metric = format!("{}.{key}", point.measurement);
            let value = value_of(value).map_err(|reason| format!("field `{key}`: {reason}"))?;
            let (value, unit) = self.in_canonical_unit(value, &metric);
            Ok(Reading {
                device: device.clone(),
                channel: channel.clone(),
                raw_metric: metric.clone(),
                metric,
                value,
                unit,
                observed_at,
                quality: Quality::Good,
                flags: flag.into_iter().collect(),
            })
        };
        point.fields.iter().map(reading).collect()
    }

    /// A timestamp is kept as sent, however far away it is; it is only flagged.
    fn observed_at(&self, point: &Point<'_>) -> Result<(Timestamp, Option<&'static str>), String> {
        let received_at = self.context.received_at;
        let nanoseconds = match point.timestamp {
            Some(timestamp) => {
                self.precision.nanoseconds(timestamp).ok_or("the timestamp is out of range")?
            }
            None => self.precision.truncate(received_at.as_nanosecond()),
        };
        let at = Timestamp::from_nanosecond(nanoseconds).map_err(|_| "the timestamp is out of range")?;
        let flag = match point.timestamp {
            None => Some(time::RECEIVED),
            Some(_) => (!time::is_plausible(at, received_at)).then_some(time::IMPLAUSIBLE),
        };
        Ok((truncate_to_micros(at), flag))
    }

    /// The protocol has no units; the source may state one for a metric.
    fn in_canonical_unit(&self, value: Value, metric: &str) -> (Value, Option<String>) {
        let Some(unit) = self.context.profile.units.get(metric) else { return (value, None) };
        let Value::Number(number) = value else { return (value, None) };
        match event_model::units::canonical(number, unit, metric) {
            Some((number, unit)) => (Value::Number(number), Some(unit.to_owned())),
            None => (value, Some(unit.clone())),
        }
    }

    /// Keeps the tags that do not name the device as tags of the device, and returns them as one text.
    fn other_tags(&mut self, point: &Point<'_>, decoded: &mut Decoded, device: &str) -> String {
        let device_key = device_tag(point, self.context.profile).map(|(key, _)| key);
        let mut others: Vec<_> =
            point.tags.iter().filter(|(key, _)| Some(key.as_ref()) != device_key).collect();
        others.sort_unstable();
        for (key, value) in &others {
            let tag = (device.to_owned(), key.to_string(), value.to_string());
            if self.tags.insert(tag.clone()) {
                decoded.tags.push(tag);
            }
        }
        others.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
    }

    /// Reports a reading that this one takes the place of although its tags were others.
    fn note_overwritten(&mut self, line: usize, tags: &str, reading: &Reading, decoded: &mut Decoded) {
        let key =
            (reading.device.clone(), reading.channel.clone(), reading.metric.clone(), reading.observed_at);
        let earlier = self.seen.insert(key, (line, tags.to_owned()));
        let Some((earlier_line, earlier_tags)) = earlier else { return };
        if earlier_tags == tags || !self.overwritten.insert(earlier_line) {
            return;
        }
        decoded.problems.push(problem(
            earlier_line,
            format!(
                "line {line} has the same device, channel, metric and time, and only its tags are others; name the \
                 tag that tells them apart in the source's channel_tags or device_tags"
            ),
        ));
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
