//! Every value of a JSON object as a reading: what a payload gives where nobody said what is in it.
//!
//! The last segment of a value's path is its name, the path before it its channel; an array gives one channel per
//! index. `{"air": {"temps": [20, 21]}}` is `temps` of the channels `air.0` and `air.1`. An object in an array may have a
//! time of its own: `{"log": [{"ts": 1768471200, "temp": 20}]}`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use event_model::{Name, Reading};
use jiff::Timestamp;

use crate::decode::{Context, Decoded, Problem, Problems, Profile};
use crate::device::{self, MAX_NAME_BYTES, MAX_RAW_BYTES};
use crate::json::{Node, Object};
use crate::measure::{self, Measurement};
use crate::names::{self, cut};
use crate::time::{Clock, IMPLAUSIBLE, Moment, RECEIVED};
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
        /// A part of the device that its name tells of.
        part: Option<Part>,
    },
}

/// A part of the device that a field's name tells of, as the last segment of the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Behind the path before the name.
    Below(String),
    /// In place of the last key of that path.
    Beside(String),
    /// None: the last key of that path says what is measured, not where (`switch:0.aenergy.total`).
    Above,
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
        Self::Metric { metric, unit, part: None }
    }
}

/// Names fields: given the path before a field and its key. The elements of an array share the name of its key.
pub type NameField<'a> = &'a dyn Fn(&[Cow<'_, str>], &str) -> Named;

/// One object whose values are readings of one device at one time.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// The payload's context.
    pub context: Context<'a>,
    /// The device, normalised.
    pub device: &'a Name,
    /// The channel of all values, before their paths.
    pub channel: &'a str,
    /// When the values were measured, but for those that have a time of their own.
    pub moment: Moment,
    /// What stands before the path in a reading's `raw_metric` (`body.`).
    pub raw_prefix: &'a str,
    /// What stands before the path in a problem's place (`uplink_message.decoded_payload.`).
    pub place_prefix: &'a str,
    /// Flags that all readings get.
    pub flags: &'a [&'static str],
    /// Spellings of "no value" beside the usual ones.
    pub missing: &'a [String],
    /// Whether `{"value": 21.5, "unit": "°C"}` is one value.
    pub reads_quantities: bool,
    /// Names the fields; [`Walk::by_table`] has the usual one.
    pub name: NameField<'a>,
}

/// A value of the object that was walked.
pub(crate) struct Field<'n> {
    /// The last key on its path.
    pub(crate) key: &'n str,
    pub(crate) channel: Name,
    pub(crate) at: Timestamp,
    pub(crate) reading: Reading,
}

/// A key of an object, which the elements of an array below it share.
struct Key<'n> {
    text: &'n str,
    /// What it names, once it was asked.
    named: Option<Named>,
    /// What it is in a channel, once it was asked.
    segment: Option<Name>,
}

/// Where the walk is, and what it found. One for the whole walk: a path may be as long as the body.
struct Cursor<'n> {
    /// Keys and indices from the root to the object that is walked.
    parents: Vec<Cow<'n, str>>,
    /// Indices of the arrays between a key of that object and the value.
    indices: Vec<String>,
    /// The channel that the parents make, and its name once it was needed.
    channel: String,
    channel_name: Option<Name>,
    /// How long the channel is without its last segment.
    above: usize,
    moment: Moment,
    /// The whole path, as the platform would write it: `a.b[0]`.
    raw: String,
    /// A key on the way was repeated.
    repeated: bool,
    fields: Vec<Field<'n>>,
    problems: Problems,
}

impl<'a> Walk<'a> {
    /// A walk that names fields by the table.
    pub fn by_table(context: Context<'a>, device: &'a Name, moment: Moment) -> Self {
        Self {
            context,
            device,
            channel: "",
            moment,
            raw_prefix: "",
            place_prefix: "",
            flags: &[],
            missing: &[],
            reads_quantities: false,
            name: &|_, key| Named::by_table(key),
        }
    }

    /// Adds the readings of `object`, and what makes no sense in it.
    ///
    /// # Errors
    /// The problem, where there are more readings than one object may hold; then none of them is added.
    pub fn add(&self, object: &Object, decoded: &mut Decoded) -> Result<(), Problem> {
        for field in self.fields(object, &mut decoded.problems)? {
            decoded.push(self.device, &field.channel, field.at, field.reading);
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
        problems: &mut Problems,
    ) -> Result<Vec<Field<'n>>, Problem> {
        let mut cursor = Cursor {
            parents: Vec::new(),
            indices: Vec::new(),
            channel: self.channel.to_owned(),
            channel_name: None,
            above: 0,
            moment: self.moment,
            raw: String::new(),
            repeated: false,
            fields: Vec::new(),
            problems: Problems::default(),
        };
        self.object(object, None, &mut cursor);
        if cursor.found() > self.context.profile.reading_limit() {
            return Err(too_many(self.context.profile, self.place_prefix));
        }
        tell_apart(&mut cursor.fields);
        problems.append(cursor.problems);
        Ok(cursor.fields)
    }

    /// The members of an object, but for the one that says when they were measured.
    fn object<'n>(&self, object: &'n Object, time: Option<&str>, cursor: &mut Cursor<'n>) {
        for (key, member) in object {
            if time == Some(key.as_str()) {
                continue;
            }
            let (length, repeated) = (cursor.raw.len(), cursor.repeated);
            if length > 0 {
                cursor.raw.push('.');
            }
            cursor.raw.push_str(key);
            cursor.repeated |= member.repeated;
            self.field(&mut Key { text: key, named: None, segment: None }, &member.node, cursor);
            cursor.repeated = repeated;
            cursor.raw.truncate(length);
        }
    }

    /// A field, or an element of its array.
    fn field<'n>(&self, key: &mut Key<'n>, node: &'n Node, cursor: &mut Cursor<'n>) {
        // What is too much is dropped as a whole; there is no use in more of it.
        if cursor.found() > self.context.profile.reading_limit() {
            return;
        }
        match node {
            Node::Null => {}
            Node::Object(object) if object.is_empty() => {}
            Node::Object(object) => match quantity(object).filter(|_| self.reads_quantities) {
                Some((value, unit)) => self.value(key, (value, Some(unit)), cursor),
                None => self.nested(key, object, cursor),
            },
            Node::List(items) if is_raw_bytes(key.text, items) => {}
            Node::List(items) => self.list(key, items, cursor),
            _ => self.value(key, (node, None), cursor),
        }
    }

    /// An object below `key`, or in its array.
    fn nested<'n>(&self, key: &mut Key<'n>, object: &'n Object, cursor: &mut Cursor<'n>) {
        let own = if cursor.indices.is_empty() { None } else { self.own_time(key.text, object) };
        let moment = own.as_ref().map_or(cursor.moment, |(_, moment)| *moment);
        let moment = std::mem::replace(&mut cursor.moment, moment);
        let (parents, length, above) = (cursor.parents.len(), cursor.channel.len(), cursor.above);
        let indices = std::mem::take(&mut cursor.indices);
        let name = cursor.channel_name.take();
        // What a device measured before is of the same series as what it measures now.
        let is_earlier = own.is_some_and(|(_, moment)| moment.flag != Some(IMPLAUSIBLE));
        if !(is_earlier && is_history(key.text)) {
            cursor.enter(key, &indices);
        }
        self.object(object, own.map(|(key, _)| key), cursor);
        cursor.channel.truncate(length);
        cursor.parents.truncate(parents);
        (cursor.indices, cursor.channel_name, cursor.moment) = (indices, name, moment);
        cursor.above = above;
    }

    /// The time that an object in the array `list` states for itself, and its key. In a history it is a time, be it
    /// wrong; elsewhere a number that cannot be one is a value.
    fn own_time<'n>(&self, list: &str, object: &'n Object) -> Option<(&'n str, Moment)> {
        let is_time =
            |key: &str| key.len() <= MAX_TIME_KEY && TIMES.iter().any(|time| names::squeezes_to(key, time));
        let (key, member) = object.iter().find(|(key, _)| is_time(key))?;
        let moment = Clock::new(self.context).of_node(Some(&member.node));
        let is_stated = !matches!(moment.flag, Some(IMPLAUSIBLE | RECEIVED));
        (is_stated || is_history(list)).then_some((key, moment))
    }

    /// The elements of the array under `key`: values keep its name, objects bring names of their own.
    fn list<'n>(&self, key: &mut Key<'n>, items: &'n [Node], cursor: &mut Cursor<'n>) {
        for (index, item) in items.iter().enumerate() {
            if cursor.found() > self.context.profile.reading_limit() {
                return;
            }
            let length = cursor.raw.len();
            let index = index.to_string();
            cursor.raw.extend(["[", &index, "]"]);
            cursor.indices.push(index);
            self.field(key, item, cursor);
            cursor.indices.pop();
            cursor.raw.truncate(length);
        }
    }

    /// A value, with the unit that is stated beside it.
    fn value<'n>(&self, key: &mut Key<'n>, value: (&Node, Option<&str>), cursor: &mut Cursor<'n>) {
        match self.reading(key, value, cursor) {
            Ok(field) => cursor.fields.extend(field),
            Err(reason) => {
                let Cursor { problems, raw, .. } = cursor;
                problems.note(|| Problem::within(self.place_prefix, raw, reason));
            }
        }
    }

    fn reading<'n>(
        &self,
        key: &mut Key<'n>,
        (node, stated): (&Node, Option<&str>),
        cursor: &mut Cursor<'n>,
    ) -> Result<Option<Field<'n>>, String> {
        if key.text.len() > MAX_RAW_BYTES {
            measure::bounded("metric", key.text)?;
        }
        let named = key.named.get_or_insert_with(|| (self.name)(&cursor.parents, key.text));
        let Named::Metric { metric, unit, part } = named else {
            return Ok(None);
        };
        let measurement = Measurement {
            metric: metric.clone(),
            raw_metric: self.context.raw_name(self.raw_prefix, &cursor.raw),
            value: value::of_node(node, self.missing)?,
            unit: stated.or(unit.as_deref()),
            moment: cursor.moment,
        };
        let Some(mut reading) = measure::reading(self.context.profile, measurement)? else { return Ok(None) };
        reading.flags.extend(self.flags);
        if cursor.repeated && !reading.flags.contains(&DUPLICATE_KEY) {
            reading.flags.push(DUPLICATE_KEY);
        }
        let channel = cursor.channel_of(part.as_ref());
        Ok(Some(Field { key: key.text, channel, at: cursor.moment.at, reading }))
    }
}

impl<'n> Cursor<'n> {
    /// Readings and problems so far.
    fn found(&self) -> usize {
        self.fields.len() + self.problems.count()
    }

    /// Goes to an object below `key`.
    fn enter(&mut self, key: &mut Key<'n>, indices: &[String]) {
        let segment = key.segment.get_or_insert_with(|| device::channel(key.text));
        self.parents.push(Cow::Borrowed(cut(key.text, MAX_RAW_BYTES)));
        self.above = self.channel.len();
        add_segment(&mut self.channel, segment);
        for index in indices {
            self.parents.push(Cow::Owned(index.clone()));
            self.above = self.channel.len();
            add_segment(&mut self.channel, index);
        }
    }

    /// The channel of a value below the parents, with what its name tells of.
    fn channel_of(&mut self, part: Option<&Part>) -> Name {
        if self.indices.is_empty() && part.is_none() {
            let Self { channel, channel_name, .. } = self;
            return channel_name.get_or_insert_with(|| channel.trim().into()).clone();
        }
        let (length, part) = match part {
            Some(Part::Beside(part)) => (self.above, Some(part)),
            Some(Part::Below(part)) => (self.channel.len(), Some(part)),
            Some(Part::Above) => (self.above, None),
            None => (self.channel.len(), None),
        };
        let mut channel = self.channel[..length].to_owned();
        for segment in part.into_iter().chain(&self.indices) {
            add_segment(&mut channel, segment);
        }
        channel.trim().into()
    }
}

/// Adds a segment to a channel, as far as there is room in a name.
fn add_segment(channel: &mut String, segment: &str) {
    if !channel.is_empty() && channel.len() < MAX_NAME_BYTES {
        channel.push('.');
    }
    channel.push_str(cut(segment, MAX_NAME_BYTES - channel.len().min(MAX_NAME_BYTES)));
}

/// The keys with which an object in an array says when it was measured: in lower case, letters and digits only.
const TIMES: [&str; 8] =
    ["time", "timestamp", "ts", "datetime", "measuredat", "observedat", "recordedat", "sampledat"];

/// The longest spelling of such a key that is looked at.
const MAX_TIME_KEY: usize = 32;

/// What Milesight's codecs (Milesight-IoT/SensorDecoders) and its platform call the values that a device measured before and
/// sends again.
fn is_history(key: &str) -> bool {
    matches!(key, "history" | "historical_data")
}

/// Two fields that the table knows under one name (`temp` and `temperature`, `PM1_0` and `PM10`) are two series: the one
/// that is called so keeps the name, else the earlier one, and the other has its own, with a number if that is taken too.
pub(crate) fn tell_apart(fields: &mut [Field<'_>]) {
    if fields.len() < 2 {
        return;
    }
    let mut seen = HashMap::with_capacity(fields.len());
    let mut numbers = HashMap::new();
    let series = |field: &Field<'_>| (field.channel.clone(), field.reading.metric.clone(), field.at);
    let own_name = |field: &Field<'_>| names::snake_case(field.key);
    let is_called_so = |field: &Field<'_>| own_name(field) == field.reading.metric;
    for index in 0..fields.len() {
        let mut known = match seen.entry(series(&fields[index])) {
            Entry::Vacant(free) => {
                free.insert((index, None));
                continue;
            }
            Entry::Occupied(known) => known,
        };
        // Where the later one takes the name, the earlier one yields it.
        let (earlier, has_it) = known.get_mut();
        let has_it = *has_it.get_or_insert_with(|| is_called_so(&fields[*earlier]));
        let takes = !has_it && is_called_so(&fields[index]);
        let yields = if takes { known.insert((index, Some(true))).0 } else { index };
        let own = own_name(&fields[yields]);
        fields[yields].reading.metric = own.as_str().into();
        let number = numbers.entry(series(&fields[yields])).or_insert(1);
        while seen.contains_key(&series(&fields[yields])) {
            *number += 1;
            let suffix = format!("_{number}");
            let own = cut(&own, MAX_NAME_BYTES - suffix.len());
            fields[yields].reading.metric = format!("{own}{suffix}").into();
        }
        seen.insert(series(&fields[yields]), (yields, None));
    }
}

/// The problem of an object that gave more readings than the source allows.
pub(crate) fn too_many(profile: &Profile, place: &str) -> Problem {
    let place = place.trim_end_matches(['.', ' ', ',']);
    Problem::new(place, format!("more than {} readings in one object", profile.reading_limit()))
}

/// The flag of a value whose key, or a key on the way to it, was written more than once; the last one is taken.
pub const DUPLICATE_KEY: &str = "duplicate_key";

/// The value and the unit of an object that is one value, as the codecs of Decentlab and others give them.
fn quantity(object: &Object) -> Option<(&Node, &str)> {
    let is_part = |key: &str| matches!(key, "value" | "unit" | "displayName");
    if object.len() > 3 || !object.keys().all(|key| is_part(key)) {
        return None;
    }
    let value = &object.get("value")?.node;
    let unit = object.get("unit")?.node.as_str()?;
    (!matches!(value, Node::Object(_) | Node::List(_))).then_some((value, unit))
}

/// A device's undecoded bytes, which codecs like to pass on beside what they decoded.
fn is_raw_bytes(key: &str, items: &[Node]) -> bool {
    items.len() >= 8
        && key.len() <= MAX_NAME_BYTES
        && ["bytes", "raw", "payload"].iter().any(|name| names::squeezes_to(key, name))
        && items.iter().all(|item| matches!(item, Node::Number(number) if number.value().fract() == 0.0))
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
        let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
        let context = Context { raw_names: true, ..Context::new(profile, received_at) };
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
    fn an_object_in_an_array_has_the_time_that_it_states() {
        let decoded = walked(
            r#"{"temperature": 21, "log": [{"ts": 1768471200, "temperature": 20}, {"time": 12.5, "temperature": 19}],
                "history": [{"timestamp": 1768471200, "temperature": 35}, {"timestamp": 0, "temperature": 34}],
                "lap": {"timestamp": 1768471200}}"#,
            &Profile::default(),
        );
        let readings = decoded.unwrap().readings;
        let rows: Vec<_> = readings
            .iter()
            .map(|r| (&*r.channel, &*r.metric, r.observed_at.as_second(), r.quality))
            .collect();
        let expected = [
            ("", "temperature", 0, Quality::Good),
            ("log.0", "temperature", 1_768_471_200, Quality::Good),
            ("log.1", "time", 0, Quality::Good),
            ("log.1", "temperature", 0, Quality::Good),
            ("", "temperature", 1_768_471_200, Quality::Good),
            ("history.1", "temperature", 1_768_478_400, Quality::Uncertain),
            ("lap", "timestamp", 0, Quality::Good),
        ];
        assert_eq!(rows, expected);
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
