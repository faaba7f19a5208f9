//! What a decoder is given, and what it gives back.

use std::collections::BTreeMap;
use std::ops::Deref;

use event_model::name::printable;
use event_model::{Name, Reading, Sample, Value, storable};
use jiff::Timestamp;
use thiserror::Error;

use crate::codec::{Frame, MAX_FRAMES, Outputs};
use crate::device::{self, MAX_NAME_BYTES};
use crate::names::cut;
use crate::options::Options;

/// How one source wants its payloads read: its entry in `freshet.yaml`, as far as decoders need it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// The source's name; it is also the device where neither a payload nor what is around it names one.
    pub source: String,
    /// The IANA time zone of times that carry none; `None` is UTC.
    pub time_zone: Option<String>,
    /// What only the source's format knows.
    pub options: Options,
    /// Units of metrics whose unit the payload does not state: canonical metric name -> unit as a person writes it.
    pub units: BTreeMap<String, String>,
    /// The most readings that one object may hold; 0 is the default of 1000.
    pub max_readings: usize,
}

/// What `decode` needs beside the request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The source's profile.
    pub profile: &'a Profile,
    /// When `ingest` received the request.
    pub received_at: Timestamp,
    /// Whether readings keep the names of the fields that they came from, for people who look at a format.
    pub raw_names: bool,
    /// The device of what names none, as the record around the payload spells it; `None`: it has the source's name.
    pub device: Option<&'a str>,
    /// What scripts made of its frames; `None`: none has run yet.
    pub outputs: Option<&'a Outputs>,
}

impl<'a> Context<'a> {
    /// That of a request of this source, received at this time: without names of fields, and with nothing around it.
    pub const fn new(profile: &'a Profile, received_at: Timestamp) -> Self {
        Self { profile, received_at, raw_names: false, device: None, outputs: None }
    }
}

impl Context<'_> {
    /// The device of what names none.
    pub(crate) fn unnamed_device(&self) -> Result<Name, Problem> {
        let Some(raw) = self.device else { return Ok(self.profile.source.as_str().into()) };
        let refused =
            |reason| Problem::new("", format!("the record's key or header names no device: {reason}"));
        device::normalise(raw).map(Name::from).map_err(refused)
    }

    /// The path of a field as a reading keeps it.
    pub(crate) fn raw_name(&self, prefix: &str, path: &str) -> Option<Box<str>> {
        self.raw_names.then(|| joined(prefix, path).into_boxed_str())
    }
}

/// What `ingest` takes from a request that is well formed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// The device, where it is cheap to find and there is one only.
    pub device: Option<String>,
    /// The platform's own message id, equal over the platform's re-sends of one message and over nothing else.
    pub message_id: Option<String>,
    /// What tells a message from another one that its platform gave the same id, where that is not the body as it was sent.
    pub content: Option<[u8; 8]>,
    /// The request is a handshake that `ingest` answers itself and does not queue.
    pub handshake: Option<Handshake>,
}

/// A subscription handshake in a request's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handshake {
    /// Azure Event Grid: answer 200 with `{"validationResponse": code}`.
    EventGrid {
        /// The code to send back.
        code: String,
    },
    /// InfluxDB, version 1: answer 200 as to a database that was created.
    InfluxDatabase,
    /// AWS IoT: confirm by GET of this address, only where its host is Amazon's own.
    AwsIot {
        /// The address to confirm.
        enable_url: String,
    },
}

/// A request that cannot be read at all in its source's format; `ingest` refuses it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormError {
    /// 400: the body is not what its content type says, or lacks the shape of the format.
    #[error("{0}")]
    Malformed(String),
    /// 415: the content type is none of the format's.
    #[error("content type `{found}` is not one of: {expected}")]
    UnsupportedMediaType {
        /// What was sent; empty if nothing.
        found: String,
        /// What the format takes.
        expected: String,
    },
    /// 405: the method is none of the format's.
    #[error("method {found} is not one of: {expected}")]
    MethodNotAllowed {
        /// What was sent.
        found: String,
        /// What the format takes, separated by `, ` as in an `Allow` header field.
        expected: String,
    },
    /// 422: well formed, but not a message of this format.
    #[error("{0}")]
    Unprocessable(String),
}

/// The most readings of one payload; what is beyond is a problem.
pub const MAX_READINGS: usize = 65_536;

/// The longest text or bytes that a reading keeps, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// The flag of a text or of bytes that were longer than [`MAX_VALUE_BYTES`].
pub const CUT: &str = "value_cut";

/// What a payload holds: samples, and what made no sense. Both may be empty (a join message).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The samples, in the order of the payload; several may be of one stream and moment.
    pub samples: Vec<Sample>,
    /// The items that could not be taken; they go to the dead letters, the samples are stored all the same.
    pub problems: Problems,
    /// Tags that the format carries beside values, for the device: (device, tag, value).
    pub tags: Vec<(Name, String, String)>,
    /// The frames that a script is to decode: with what it makes of them the payload is decoded anew.
    pub frames: Vec<Frame>,
    /// The frames that nothing decodes: their network did not, and the source has no codec for them.
    pub raw_frames: usize,
    /// How many readings the samples hold; one more than [`MAX_READINGS`] where there were too many.
    pub(crate) found: usize,
}

impl From<Problem> for Decoded {
    /// A payload of which nothing can be taken.
    fn from(problem: Problem) -> Self {
        Self { problems: [problem].into_iter().collect(), ..Self::default() }
    }
}

impl Decoded {
    /// Adds a value of `device` and `channel` at a time: to the last sample, where it is of the same stream and moment.
    /// Names that it has in common with its neighbour are held once. A value that is too long is cut, and what is one reading
    /// too many is a problem.
    pub fn push(&mut self, device: &Name, channel: &Name, observed_at: Timestamp, mut reading: Reading) {
        if !self.makes_room() {
            return;
        }
        cut_value(&mut reading);
        let Some(last) = self.samples.last_mut() else {
            return self.samples.push(Sample::of(device.clone(), channel.clone(), observed_at, reading));
        };
        if let Some(neighbour) = last.readings.last() {
            reading.metric.share(&neighbour.metric);
            if let (Some(unit), Some(other)) = (&mut reading.unit, &neighbour.unit) {
                unit.share(other);
            }
        }
        if last.device == *device && last.channel == *channel && last.observed_at == observed_at {
            return last.readings.push(reading);
        }
        let (mut device, mut channel) = (device.clone(), channel.clone());
        device.share(&last.device);
        channel.share(&last.channel);
        self.samples.push(Sample::of(device, channel, observed_at, reading));
    }

    /// Puts U+FFFD for what is not printable in tags: they come into messages to people.
    pub(crate) fn make_tags_printable(&mut self) {
        for (_, tag, value) in &mut self.tags {
            for text in [tag, value] {
                *text = printable(std::mem::take(text));
            }
        }
    }

    /// Whether there are more readings than one payload may hold: no more of it is read.
    pub(crate) const fn is_full(&self) -> bool {
        self.found > MAX_READINGS
    }

    /// Counts one more reading; a problem where it is the first too many.
    fn makes_room(&mut self) -> bool {
        if self.found < MAX_READINGS {
            self.found += 1;
            return true;
        }
        if !self.is_full() {
            self.found += 1;
            let reason = format!("more than {MAX_READINGS} readings in one payload: send it in parts");
            self.problems.push(Problem::new("", reason));
        }
        false
    }

    /// Adds all that a part of the payload came to.
    pub(crate) fn append(&mut self, part: Self) {
        for Sample { device, channel, observed_at, readings } in part.samples {
            for reading in readings {
                self.push(&device, &channel, observed_at, reading);
            }
        }
        self.problems.append(part.problems);
        self.tags.extend(part.tags);
        self.raw_frames += part.raw_frames;
        part.frames.into_iter().for_each(|frame| self.wait_for(frame));
    }

    /// Notes a frame that a script is to decode; a problem where it is one too many.
    pub(crate) fn wait_for(&mut self, frame: Frame) {
        if self.frames.len() < MAX_FRAMES {
            return self.frames.push(frame);
        }
        let reason = format!("more than {MAX_FRAMES} frames for a codec in one payload: send them in parts");
        self.problems.push(Problem::new("", reason));
    }

    /// Adds the parts of a payload in turn, until it is full. What makes no sense of a part is a problem; of one that `is_alone` nothing can be
    /// taken then.
    pub(crate) fn add_each<T>(
        &mut self,
        parts: impl IntoIterator<Item = Result<T, Problem>>,
        is_alone: bool,
        mut add: impl FnMut(T, &mut Self) -> Result<(), Problem>,
    ) -> Result<(), DecodeError> {
        for part in parts {
            if self.is_full() {
                break;
            }
            match part.and_then(|part| add(part, self)) {
                Err(problem) if is_alone => return Err(DecodeError(problem)),
                taken => self.problems.extend(taken.err()),
            }
        }
        Ok(())
    }

    /// The values in the order of the payload, each with its sample.
    pub fn readings(&self) -> impl Iterator<Item = (&Sample, &Reading)> {
        self.samples.iter().flat_map(|sample| sample.readings.iter().map(move |reading| (sample, reading)))
    }
}

fn cut_value(reading: &mut Reading) {
    let is_cut = match &mut reading.value {
        Value::Text(text) if text.len() > MAX_VALUE_BYTES => {
            *text = cut(text, MAX_VALUE_BYTES).to_owned();
            true
        }
        Value::Bytes(bytes) if bytes.len() > MAX_VALUE_BYTES => {
            *bytes = bytes[..MAX_VALUE_BYTES].to_vec();
            true
        }
        _ => false,
    };
    if is_cut {
        reading.flags.push(CUT);
    }
}

/// The most problems that are kept of one payload.
pub const MAX_PROBLEMS: usize = 100;

/// The longest reason that is kept, in bytes: it may quote a name of the payload.
const MAX_REASON_BYTES: usize = 1024;

/// The problems of a payload: the first [`MAX_PROBLEMS`], as a slice, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    kept: Vec<Problem>,
    count: usize,
}

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.note(|| problem);
    }

    /// Counts one, which is made only where it is kept.
    pub(crate) fn note(&mut self, problem: impl FnOnce() -> Problem) {
        self.count += 1;
        if self.kept.len() < MAX_PROBLEMS {
            let Problem { place, reason } = problem();
            let place = cut(&place, MAX_NAME_BYTES).to_owned();
            self.kept.push(Problem { place, reason: cut(&reason, MAX_REASON_BYTES).to_owned() });
        }
    }

    /// Adds all of `others`.
    pub fn append(&mut self, others: Self) {
        self.count += others.count - others.kept.len();
        self.extend(others.kept);
    }

    /// The same with every place and reason changed.
    pub(crate) fn map(self, change: impl Fn(Problem) -> Problem) -> Self {
        Self { kept: self.kept.into_iter().map(change).collect(), count: self.count }
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The first of them as a list of its own.
    pub fn into_kept(self) -> Vec<Problem> {
        self.kept
    }
}

impl Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.kept
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<T: IntoIterator<Item = Problem>>(problems: T) -> Self {
        let mut all = Self::default();
        all.extend(problems);
        all
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.iter()
    }
}

/// One item of a payload that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Where: a dotted path (`uplink_message.decoded_payload.temperature`), `line 3`, `event 2`.
    pub place: String,
    /// Why: `expected a number, found a string`.
    pub reason: String,
}

/// A payload of which nothing can be taken; it goes to the dead letters as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{}{}", .0.place, if .0.place.is_empty() { "" } else { ": " }, .0.reason)]
pub struct DecodeError(pub Problem);

impl From<FormError> for DecodeError {
    fn from(error: FormError) -> Self {
        Self(Problem::new("", error.to_string()))
    }
}

/// The most readings that one object may hold where the source sets no other number.
pub const DEFAULT_MAX_READINGS: usize = 1000;

impl Profile {
    /// The most readings that one object may hold.
    pub const fn reading_limit(&self) -> usize {
        if self.max_readings == 0 { DEFAULT_MAX_READINGS } else { self.max_readings }
    }
}

impl Problem {
    /// A problem at `place`. Keys of a payload stand in places, so that NUL, which no database keeps, is replaced, and
    /// what is longer than a name may be is cut.
    pub fn new(place: impl AsRef<str>, reason: impl Into<String>) -> Self {
        Self::within("", place.as_ref(), reason)
    }

    /// A problem at `path` below `prefix`.
    pub(crate) fn within(prefix: &str, path: &str, reason: impl Into<String>) -> Self {
        Self { place: joined(prefix, path), reason: storable(reason.into()) }
    }
}

/// A path in a payload as it is kept: as [`storable`], and no longer than a name, since a path may be as long as a body.
fn joined(prefix: &str, path: &str) -> String {
    let prefix = cut(prefix, MAX_NAME_BYTES);
    storable([prefix, cut(path, MAX_NAME_BYTES - prefix.len())].concat())
}

#[cfg(test)]
mod tests {
    use event_model::{Name, Quality, Reading, Value};
    use jiff::Timestamp;

    use super::{CUT, Decoded, MAX_PROBLEMS, MAX_READINGS, MAX_VALUE_BYTES, Problem, Problems};

    fn reading(value: Value) -> Reading {
        let quality = Quality::Good;
        Reading { metric: "m".into(), value, unit: None, quality, flags: Vec::new(), raw_metric: None }
    }

    #[test]
    fn the_first_problems_are_kept_and_all_are_counted() {
        let many = || (0..150).map(|index| Problem::new(format!("[{index}]"), "x")).collect::<Problems>();
        let mut problems = many();
        problems.append(many());
        assert_eq!((problems.len(), problems.count()), (MAX_PROBLEMS, 300));
        assert_eq!(problems[99].place, "[99]");
        assert_eq!(problems.map(|problem| problem).count(), 300);
    }

    #[test]
    fn a_long_value_is_cut_and_flagged() {
        let mut decoded = Decoded::default();
        let name = Name::from("d");
        for value in [
            Value::Text("ü".repeat(MAX_VALUE_BYTES)),
            Value::Bytes(vec![7; MAX_VALUE_BYTES + 1]),
            Value::Text("short".into()),
        ] {
            decoded.push(&name, &name, Timestamp::UNIX_EPOCH, reading(value));
        }
        let [text, bytes, short] = &decoded.samples[0].readings[..] else { panic!("three readings") };
        assert_eq!(text.value, Value::Text("ü".repeat(MAX_VALUE_BYTES / 2)));
        assert_eq!(bytes.value, Value::Bytes(vec![7; MAX_VALUE_BYTES]));
        assert_eq!((&text.flags[..], &bytes.flags[..], &short.flags[..]), (&[CUT][..], &[CUT][..], &[][..]));
    }

    #[test]
    fn a_reading_too_many_is_one_problem() {
        let mut decoded = Decoded::default();
        let name = Name::from("d");
        for _ in 0..MAX_READINGS + 5 {
            decoded.push(&name, &name, Timestamp::UNIX_EPOCH, reading(Value::Flag(true)));
        }
        assert_eq!((decoded.readings().count(), decoded.problems.count()), (MAX_READINGS, 1));
        let mut whole = Decoded::default();
        whole.append(decoded);
        assert_eq!((whole.readings().count(), whole.is_full()), (MAX_READINGS, false));
    }

    #[test]
    fn a_place_is_cut_at_a_character() {
        assert_eq!(Problem::new("ü".repeat(300), "x").place, "ü".repeat(256));
        assert_eq!(Problem::new("a\0b", "x").place, "a\u{fffd}b");
    }
}
