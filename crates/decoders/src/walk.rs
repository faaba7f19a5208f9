//! Every value of a JSON object as a reading: what a payload gives where nobody said what is in it.
//!
//! The last segment of a value's path is its name, the path before it its channel; an array gives one channel per
//! index. `{"air": {"temps": [20, 21]}}` is `temps` of the channels `air.0` and `air.1`.

use std::collections::HashMap;

use event_model::Reading;

use crate::decode::{Decoded, Problem, Profile};
use crate::device;
use crate::json::{Node, Object};
use crate::measure::{self, Measurement};
use crate::names;
use crate::time::Moment;
use crate::value;

/// What a format makes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// It is no reading.
    Skip,
    /// It is a reading of this metric.
    Metric {
        /// The canonical metric name.
        metric: String,
        /// The unit that the format gives it; `None` leaves it to the source and the table.
        unit: Option<String>,
        /// The channel, where it is not the path before the name.
        channel: Option<String>,
    },
}

impl Named {
    /// What the table of names says; radio figures are no readings.
    pub fn by_table(key: &str) -> Self {
        if names::is_link(key) {
            return Self::Skip;
        }
        Self::Metric { metric: names::metric(key), unit: None, channel: None }
    }
}

/// Names fields: given the path before a field and its key.
pub type NameField<'a> = &'a dyn Fn(&[String], &str) -> Named;

/// One object whose values are readings of one device at one time.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// The source's profile.
    pub profile: &'a Profile,
    /// The device, normalised.
    pub device: &'a str,
    /// When the values were measured.
    pub moment: Moment,
    /// What stands before the path in a reading's `raw_metric` (`body.`).
    pub raw_prefix: &'a str,
    /// What stands before the path in a problem's place (`uplink_message.decoded_payload.`).
    pub place_prefix: &'a str,
    /// Flags that all readings get.
    pub flags: &'a [&'static str],
    /// Spellings of "no value" beside the usual ones.
    pub missing: &'a [String],
    /// Names the fields; [`Walk::by_table`] has the usual one.
    pub name: NameField<'a>,
}

/// Where the walk is.
#[derive(Default)]
struct Position {
    /// Keys and indices from the root to the object that is walked.
    parents: Vec<String>,
    /// Indices of the arrays between a key of that object and the value.
    indices: Vec<String>,
    /// The whole path, as the platform would write it: `a.b[0]`.
    raw: String,
    /// A key on the way was repeated.
    repeated: bool,
}

impl<'a> Walk<'a> {
    /// A walk that names fields by the table.
    pub fn by_table(profile: &'a Profile, device: &'a str, moment: Moment) -> Self {
        Self {
            profile,
            device,
            moment,
            raw_prefix: "",
            place_prefix: "",
            flags: &[],
            missing: &[],
            name: &|_, key| Named::by_table(key),
        }
    }

    /// Adds the readings of `object`, and what makes no sense in it.
    ///
    /// # Errors
    /// The problem, where there are more readings than one object may hold; then none of them is added.
    pub fn add(&self, object: &Object, decoded: &mut Decoded) -> Result<(), Problem> {
        let before = decoded.readings.len();
        self.object(object, &Position::default(), decoded);
        tell_apart(&mut decoded.readings[before..]);
        bound(self.profile, self.place_prefix.trim_end_matches(['.', ' ', ',']), before, decoded)
    }

    fn object(&self, object: &Object, position: &Position, decoded: &mut Decoded) {
        for (key, member) in object {
            let raw = if position.raw.is_empty() { key.clone() } else { format!("{}.{key}", position.raw) };
            let inner = Position {
                parents: position.parents.clone(),
                indices: Vec::new(),
                raw,
                repeated: position.repeated || member.repeated,
            };
            self.field(key, &member.node, inner, decoded);
        }
    }

    /// A field or an element of its array; `position` has its own path as `raw`, and the path before the key as `parents`.
    fn field(&self, key: &str, node: &Node, mut position: Position, decoded: &mut Decoded) {
        match node {
            Node::Object(object) => {
                position.parents.push(key.to_owned());
                position.parents.append(&mut position.indices);
                self.object(object, &position, decoded);
            }
            Node::List(items) if is_raw_bytes(key, items) => {}
            Node::List(items) => self.list(key, items, &position, decoded),
            _ => match self.reading(key, node, &position) {
                Ok(Some(reading)) => decoded.readings.push(reading),
                Ok(None) => {}
                Err(reason) => {
                    decoded
                        .problems
                        .push(Problem::new(format!("{}{}", self.place_prefix, position.raw), reason));
                }
            },
        }
    }

    /// The elements of the array under `key`: values keep its name, objects bring names of their own.
    fn list(&self, key: &str, items: &[Node], position: &Position, decoded: &mut Decoded) {
        for (index, item) in items.iter().enumerate() {
            let indices = position.indices.iter().cloned().chain([index.to_string()]).collect();
            let raw = format!("{}[{index}]", position.raw);
            let parents = position.parents.clone();
            self.field(key, item, Position { parents, indices, raw, repeated: position.repeated }, decoded);
        }
    }

    fn reading(&self, key: &str, node: &Node, position: &Position) -> Result<Option<Reading>, String> {
        let parents = [position.parents.as_slice(), position.indices.as_slice()].concat();
        let Named::Metric { metric, unit, channel } = (self.name)(&parents, key) else {
            return Ok(None);
        };
        let channel = device::channel(&channel.unwrap_or_else(|| parents.join(".")));
        let measurement = Measurement {
            device: self.device,
            channel: &channel,
            metric: &metric,
            raw_metric: format!("{}{}", self.raw_prefix, position.raw),
            value: value::of_node(node, self.missing)?,
            unit: unit.as_deref(),
            moment: self.moment,
        };
        let Some(mut reading) = measure::reading(self.profile, measurement)? else { return Ok(None) };
        reading.flags.extend(self.flags);
        if position.repeated && !reading.flags.contains(&DUPLICATE_KEY) {
            reading.flags.push(DUPLICATE_KEY);
        }
        Ok(Some(reading))
    }
}

/// Two fields that the table knows under one name (`temp` and `temperature`, `PM1_0` and `PM10`) are two series: the one
/// that is called so keeps the name, else the earlier one, and the other has its own.
fn tell_apart(readings: &mut [Reading]) {
    let mut seen = HashMap::with_capacity(readings.len());
    for index in 0..readings.len() {
        let series = |reading: &Reading| (reading.channel.clone(), reading.metric.clone());
        let Some(earlier) = seen.insert(series(&readings[index]), index) else { continue };
        let is_called_so = |index: usize| own_name(&readings[index]) == readings[index].metric;
        let yields = if is_called_so(index) && !is_called_so(earlier) { earlier } else { index };
        if yields == index {
            seen.insert(series(&readings[index]), earlier);
        }
        readings[yields].metric = own_name(&readings[yields]);
        seen.insert(series(&readings[yields]), yields);
    }
}

/// The last key on a reading's path, in snake_case.
fn own_name(reading: &Reading) -> String {
    let key = reading.raw_metric.rsplit('.').next().unwrap_or_default();
    names::snake_case(key.split('[').next().unwrap_or_default())
}

/// Takes all readings after the first `before` out again where one object gave more than the source allows.
pub(crate) fn bound(
    profile: &Profile,
    place: &str,
    before: usize,
    decoded: &mut Decoded,
) -> Result<(), Problem> {
    let limit = profile.reading_limit();
    if decoded.readings.len() - before <= limit {
        return Ok(());
    }
    decoded.readings.truncate(before);
    Err(Problem::new(place, format!("more than {limit} readings in one object")))
}

/// The flag of a value whose key, or a key on the way to it, was written more than once; the last one is taken.
pub const DUPLICATE_KEY: &str = "duplicate_key";

/// A device's undecoded bytes, which codecs like to pass on beside what they decoded.
fn is_raw_bytes(key: &str, items: &[Node]) -> bool {
    matches!(names::squeeze(key).as_str(), "bytes" | "raw" | "payload")
        && items.len() >= 8
        && items.iter().all(|item| matches!(item, Node::Number(number) if number.value.fract() == 0.0))
}

#[cfg(test)]
mod tests {
    use event_model::{Quality, Value};
    use jiff::Timestamp;

    use super::Walk;
    use crate::decode::{Decoded, Profile};
    use crate::json::Node;
    use crate::time::Moment;

    fn walked(body: &str, profile: &Profile) -> Result<Decoded, String> {
        let node = Node::parse(body.as_bytes()).unwrap();
        let moment = Moment { at: Timestamp::UNIX_EPOCH, quality: Quality::Good, flag: None };
        let mut decoded = Decoded::default();
        let walk = Walk { place_prefix: "data.", ..Walk::by_table(profile, "d", moment) };
        walk.add(node.as_object().unwrap(), &mut decoded).map_err(|problem| problem.reason)?;
        Ok(decoded)
    }

    fn named(body: &str) -> Vec<(String, String, String)> {
        let decoded = walked(body, &Profile::default()).unwrap();
        decoded.readings.into_iter().map(|r| (r.channel, r.metric, r.raw_metric)).collect()
    }

    fn row(channel: &str, metric: &str, raw: &str) -> (String, String, String) {
        (channel.into(), metric.into(), raw.into())
    }

    #[test]
    fn the_path_before_the_name_is_the_channel() {
        let body = r#"{"Humidity": 1, "a": {"b": {"tempC": 2}}, "v": [3, null, 4], "s": [{"temp": 5}], "m": [[6]], "n": [[{"x": 7}]]}"#;
        let expected = [
            row("", "relative_humidity", "Humidity"),
            row("a.b", "temperature", "a.b.tempC"),
            row("0", "v", "v[0]"),
            row("2", "v", "v[2]"),
            row("s.0", "temperature", "s[0].temp"),
            row("0.0", "m", "m[0][0]"),
            row("n.0.0", "x", "n[0][0].x"),
        ];
        assert_eq!(named(body), expected);
    }

    #[test]
    fn radio_figures_and_raw_bytes_are_left_out() {
        assert_eq!(named(r#"{"rssi": -70, "bytes": [1,2,3,4,5,6,7,8], "linkquality": 3}"#), []);
        assert_eq!(named(r#"{"raw": [1,2]}"#).len(), 2);
    }

    #[test]
    fn what_is_below_a_repeated_key_is_flagged() {
        let decoded = walked(r#"{"a": {"x": 1}, "a": {"x": 2}, "b": 3}"#, &Profile::default()).unwrap();
        assert_eq!(decoded.readings[0].flags, ["duplicate_key"]);
        assert_eq!(decoded.readings[0].value, Value::Number(2.0));
        assert!(decoded.readings[1].flags.is_empty());
    }

    #[test]
    fn two_fields_of_one_name_are_told_apart() {
        let expected = [row("", "temperature", "temperature"), row("", "temp_c", "temp_C")];
        assert_eq!(named(r#"{"temperature": 1, "temp_C": 2}"#), expected);
        let expected = [row("", "pm1_0", "PM1_0"), row("", "pm10", "PM10"), row("", "pm2_5", "PM2_5")];
        assert_eq!(named(r#"{"PM1_0": 1, "PM10": 3, "PM2_5": 2}"#), expected);
    }

    #[test]
    fn a_problem_names_its_place() {
        let decoded =
            walked(r#"{"air": {"temperature": "warm"}, "n": [1e999]}"#, &Profile::default()).unwrap();
        let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["data.air.temperature", "data.n[0]"]);
    }

    #[test]
    fn one_object_holds_no_more_readings_than_the_source_allows() {
        let profile = Profile { max_readings: 2, ..Profile::default() };
        assert!(walked(r#"{"a": 1, "b": 2}"#, &profile).is_ok());
        assert_eq!(
            walked(r#"{"a": 1, "b": 2, "c": 3}"#, &profile).unwrap_err(),
            "more than 2 readings in one object"
        );
    }
}
