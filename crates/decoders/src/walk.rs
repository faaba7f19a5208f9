//! Every value of a JSON object as a reading: what a payload gives where nobody said what is in it.
//!
//! The last segment of a value's path is its name, the path before it its channel; an array gives one channel per
//! index. `{"air": {"temps": [20, 21]}}` is `temps` of the channels `air.0` and `air.1`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use event_model::{Name, Reading};

use crate::decode::{Context, Decoded, Problem, Profile, cut};
use crate::device::{self, MAX_NAME_BYTES, MAX_RAW_BYTES};
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
        metric: Name,
        /// The unit that the format gives it; `None` leaves it to the source and the table.
        unit: Option<Name>,
        /// The channel, where it is not the path before the name.
        channel: Option<String>,
    },
}

impl Named {
    /// What the table of names says, and the unit that stands in brackets behind the name; radio figures are no readings.
    pub fn by_table(key: &str) -> Self {
        if names::is_link(key) {
            return Self::Skip;
        }
        let (metric, unit) = match names::with_unit(key) {
            Some((metric, unit)) => (metric, Some(unit.into())),
            None => (names::metric(key), None),
        };
        Self::Metric { metric, unit, channel: None }
    }
}

/// Names fields: given the path before a field and its key.
pub type NameField<'a> = &'a dyn Fn(&[String], &str) -> Named;

/// One object whose values are readings of one device at one time.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// The payload's context.
    pub context: Context<'a>,
    /// The device, normalised.
    pub device: &'a Name,
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

/// A value of the object that was walked.
pub(crate) struct Field<'n> {
    /// The last key on its path.
    pub(crate) key: &'n str,
    pub(crate) channel: Name,
    pub(crate) reading: Reading,
}

/// Where the walk is, and what it found. One for the whole walk: a path may be as long as the body.
#[derive(Default)]
struct Cursor<'n> {
    /// Keys and indices from the root to the object that is walked.
    parents: Vec<String>,
    /// Indices of the arrays between a key of that object and the value.
    indices: Vec<String>,
    /// The channel that the parents make, once it was needed.
    channel: Option<Name>,
    /// The whole path, as the platform would write it: `a.b[0]`.
    raw: String,
    /// A key on the way was repeated.
    repeated: bool,
    fields: Vec<Field<'n>>,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    /// A walk that names fields by the table.
    pub fn by_table(context: Context<'a>, device: &'a Name, moment: Moment) -> Self {
        Self {
            context,
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
        for field in self.fields(object, &mut decoded.problems)? {
            decoded.push(self.device, &field.channel, self.moment.at, field.reading);
        }
        Ok(())
    }

    /// The readings of `object`; what makes no sense in it is added to `problems`.
    ///
    /// # Errors
    /// As [`Walk::add`].
    pub(crate) fn fields<'n>(
        &self,
        object: &'n Object,
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<Field<'n>>, Problem> {
        let mut cursor = Cursor::default();
        self.object(object, &mut cursor);
        if cursor.found() > self.context.profile.reading_limit() {
            return Err(too_many(self.context.profile, self.place_prefix));
        }
        tell_apart(&mut cursor.fields);
        problems.append(&mut cursor.problems);
        Ok(cursor.fields)
    }

    fn object<'n>(&self, object: &'n Object, cursor: &mut Cursor<'n>) {
        for (key, member) in object {
            let (length, repeated) = (cursor.raw.len(), cursor.repeated);
            if length > 0 {
                cursor.raw.push('.');
            }
            cursor.raw.push_str(key);
            cursor.repeated |= member.repeated;
            self.field(key, &member.node, cursor);
            cursor.repeated = repeated;
            cursor.raw.truncate(length);
        }
    }

    /// A field, or an element of its array.
    fn field<'n>(&self, key: &'n str, node: &'n Node, cursor: &mut Cursor<'n>) {
        // What is too much is dropped as a whole; there is no use in more of it.
        if cursor.found() > self.context.profile.reading_limit() {
            return;
        }
        match node {
            Node::Null => {}
            Node::Object(object) => {
                let length = cursor.parents.len();
                let indices = std::mem::take(&mut cursor.indices);
                let channel = cursor.channel.take();
                cursor.parents.push(cut(key, MAX_RAW_BYTES).to_owned());
                cursor.parents.extend_from_slice(&indices);
                self.object(object, cursor);
                cursor.parents.truncate(length);
                cursor.indices = indices;
                cursor.channel = channel;
            }
            Node::List(items) if is_raw_bytes(key, items) => {}
            Node::List(items) => self.list(key, items, cursor),
            _ => self.value(key, node, cursor),
        }
    }

    /// The elements of the array under `key`: values keep its name, objects bring names of their own.
    fn list<'n>(&self, key: &'n str, items: &'n [Node], cursor: &mut Cursor<'n>) {
        for (index, item) in items.iter().enumerate() {
            let length = cursor.raw.len();
            cursor.raw.push_str(&format!("[{index}]"));
            cursor.indices.push(index.to_string());
            self.field(key, item, cursor);
            cursor.indices.pop();
            cursor.raw.truncate(length);
        }
    }

    fn value<'n>(&self, key: &'n str, node: &Node, cursor: &mut Cursor<'n>) {
        let length = cursor.parents.len();
        cursor.parents.extend_from_slice(&cursor.indices);
        let field = self.reading(key, node, cursor);
        cursor.parents.truncate(length);
        match field {
            Ok(field) => cursor.fields.extend(field),
            Err(reason) => cursor.problems.push(Problem::within(self.place_prefix, &cursor.raw, reason)),
        }
    }

    fn reading<'n>(
        &self,
        key: &'n str,
        node: &Node,
        cursor: &mut Cursor<'n>,
    ) -> Result<Option<Field<'n>>, String> {
        if key.len() > MAX_RAW_BYTES {
            measure::bounded("metric", key)?;
        }
        let Named::Metric { metric, unit, channel } = (self.name)(&cursor.parents, key) else {
            return Ok(None);
        };
        let measurement = Measurement {
            metric,
            raw_metric: self.context.raw_name(self.raw_prefix, &cursor.raw),
            value: value::of_node(node, self.missing)?,
            unit: unit.as_deref(),
            moment: self.moment,
        };
        let Some(mut reading) = measure::reading(self.context.profile, measurement)? else { return Ok(None) };
        reading.flags.extend(self.flags);
        if cursor.repeated && !reading.flags.contains(&DUPLICATE_KEY) {
            reading.flags.push(DUPLICATE_KEY);
        }
        let channel = channel.map_or_else(|| cursor.channel(), |channel| device::channel(&channel));
        Ok(Some(Field { key, channel, reading }))
    }
}

impl Cursor<'_> {
    /// Readings and problems so far.
    const fn found(&self) -> usize {
        self.fields.len() + self.problems.len()
    }

    /// The channel of a value below the parents.
    fn channel(&mut self) -> Name {
        if !self.indices.is_empty() {
            return device::channel(&self.parents.join("."));
        }
        self.channel.get_or_insert_with(|| device::channel(&self.parents.join("."))).clone()
    }
}

/// Two fields that the table knows under one name (`temp` and `temperature`, `PM1_0` and `PM10`) are two series: the one
/// that is called so keeps the name, else the earlier one, and the other has its own, with a number if that is taken too.
pub(crate) fn tell_apart(fields: &mut [Field<'_>]) {
    let mut seen = HashMap::with_capacity(fields.len());
    let mut numbers = HashMap::new();
    let series = |field: &Field<'_>| (field.channel.clone(), field.reading.metric.clone());
    let own_name = |field: &Field<'_>| names::snake_case(field.key);
    for index in 0..fields.len() {
        let mut known = match seen.entry(series(&fields[index])) {
            Entry::Vacant(free) => {
                free.insert(index);
                continue;
            }
            Entry::Occupied(known) => known,
        };
        let is_called_so = |index: usize| own_name(&fields[index]) == fields[index].reading.metric;
        // Where the later one takes the name, the earlier one yields it.
        let takes = is_called_so(index) && !is_called_so(*known.get());
        let yields = if takes { known.insert(index) } else { index };
        let own = own_name(&fields[yields]);
        fields[yields].reading.metric = own.as_str().into();
        let number = numbers.entry(series(&fields[yields])).or_insert(1);
        while seen.contains_key(&series(&fields[yields])) {
            *number += 1;
            let suffix = format!("_{number}");
            let own = cut(&own, MAX_NAME_BYTES - suffix.len());
            fields[yields].reading.metric = format!("{own}{suffix}").into();
        }
        seen.insert(series(&fields[yields]), yields);
    }
}

/// The problem of an object that gave more readings than the source allows.
pub(crate) fn too_many(profile: &Profile, place: &str) -> Problem {
    let place = place.trim_end_matches(['.', ' ', ',']);
    Problem::new(place, format!("more than {} readings in one object", profile.reading_limit()))
}

/// The flag of a value whose key, or a key on the way to it, was written more than once; the last one is taken.
pub const DUPLICATE_KEY: &str = "duplicate_key";

/// A device's undecoded bytes, which codecs like to pass on beside what they decoded.
fn is_raw_bytes(key: &str, items: &[Node]) -> bool {
    items.len() >= 8
        && key.len() <= MAX_NAME_BYTES
        && ["bytes", "raw", "payload"].iter().any(|name| names::squeezes_to(key, name))
        && items.iter().all(|item| matches!(item, Node::Number(number) if number.value.fract() == 0.0))
}

#[cfg(test)]
mod tests {
    use event_model::{Quality, Value};
    use jiff::Timestamp;

    use super::Walk;
    use crate::decode::{Context, Profile};
    use crate::json::Node;
    use crate::testing::Decoded;
    use crate::time::Moment;

    fn walked(body: &str, profile: &Profile) -> Result<Decoded, String> {
        let node = Node::parse(body.as_bytes()).unwrap();
        let moment = Moment { at: Timestamp::UNIX_EPOCH, quality: Quality::Good, flag: None };
        let mut decoded = crate::Decoded::default();
        let context = Context { profile, received_at: Timestamp::UNIX_EPOCH, raw_names: true };
        let device = "d".into();
        let walk = Walk { place_prefix: "data.", ..Walk::by_table(context, &device, moment) };
        walk.add(node.as_object().unwrap(), &mut decoded).map_err(|problem| problem.reason)?;
        Ok(decoded.into())
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
    fn a_unit_in_brackets_is_stated() {
        let decoded =
            walked(r#"{"Temperature [F]": 68, "eCO2[ppm]": 400, "x[0]": 1}"#, &Profile::default()).unwrap();
        let rows: Vec<_> =
            decoded.readings.iter().map(|r| (&*r.metric, r.unit.as_deref(), &r.value)).collect();
        let expected = [
            ("temperature", Some("Cel"), &Value::Number(20.0)),
            ("eco2", Some("ppm"), &Value::Number(400.0)),
            ("x_0", None, &Value::Number(1.0)),
        ];
        assert_eq!(rows, expected);
        assert!(decoded.readings.iter().all(|reading| reading.flags.is_empty()));
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
        let expected = [
            row("", "temperature", "temperature"),
            row("", "temperature_2", "Temperature"),
            row("", "temperature_3", "TEMPERATURE"),
        ];
        assert_eq!(named(r#"{"temperature": 1, "Temperature": 2, "TEMPERATURE": 3}"#), expected);
        let expected = [row("", "pm1", "PM1.0"), row("", "pm10", "PM10"), row("", "pm2_5", "PM2.5")];
        assert_eq!(named(r#"{"PM1.0": 1, "PM10": 3, "PM2.5": 2}"#), expected);
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
        for body in [r#"{"a": 1, "b": 2, "c": 3}"#, r#"{"a": [1e999, 1e999, 3]}"#] {
            assert_eq!(walked(body, &profile).unwrap_err(), "more than 2 readings in one object");
        }
    }

    #[test]
    fn a_path_as_long_as_a_body_is_not_copied_for_each_value() {
        let key = "k".repeat(1000);
        let members: Vec<_> = (0..2_000).map(|index| format!("\"{index}\":[1]")).collect();
        let depth = 90;
        let body = format!(
            "{}{{{}}}{}",
            format!("{{\"{key}\":").repeat(depth),
            members.join(","),
            "}".repeat(depth)
        );
        assert!(walked(&body, &Profile::default()).is_err());
        let decoded = walked(&body, &Profile { max_readings: 2_000, ..Profile::default() }).unwrap();
        assert!(decoded.readings.iter().all(|reading| reading.raw_metric.len() <= 512));
    }
}
