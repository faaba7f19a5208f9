//! What a decoder is given, and what it gives back.

use std::collections::BTreeMap;

use event_model::name::printable;
use event_model::{Name, Reading, Sample, storable};
use jiff::Timestamp;
use thiserror::Error;

use crate::device::MAX_NAME_BYTES;
use crate::options::Options;

/// How one source wants its payloads read: its entry in `freshet.yaml`, as far as decoders need it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Profile {
    /// The source's name; it is also the device where nothing in a payload names one.
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
}

impl Context<'_> {
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

/// What a payload holds: samples, and what made no sense. Both may be empty (a join message).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The samples, in the order of the payload; several may be of one stream and moment.
    pub samples: Vec<Sample>,
    /// The items that could not be taken; they go to the dead letters, the samples are stored all the same.
    pub problems: Vec<Problem>,
    /// Tags that the format carries beside values, for the device: (device, tag, value).
    pub tags: Vec<(Name, String, String)>,
}

impl Decoded {
    /// Adds a value of `device` and `channel` at a time: to the last sample, where it is of the same stream and moment.
    /// Names that it has in common with its neighbour are held once.
    pub fn push(&mut self, device: &Name, channel: &Name, observed_at: Timestamp, mut reading: Reading) {
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

    /// The values in the order of the payload, each with its sample.
    pub fn readings(&self) -> impl Iterator<Item = (&Sample, &Reading)> {
        self.samples.iter().flat_map(|sample| sample.readings.iter().map(move |reading| (sample, reading)))
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

/// The text, or as much of it as `bytes` hold.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::Problem;

    #[test]
    fn a_place_is_cut_at_a_character() {
        assert_eq!(Problem::new("ü".repeat(300), "x").place, "ü".repeat(256));
        assert_eq!(Problem::new("a\0b", "x").place, "a\u{fffd}b");
    }
}
