//! A sample: what a device measured at one moment, in SenML's terms (RFC 8428).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Name;
use crate::word::words;

/// How far ahead of ours the clock of a sender may go. A time that is further ahead of its receive time is none that a rule
/// takes, nor one that a producer may name as its receive time.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// One moment of one stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// The platform's own name of the device, NFC-normalised and without control characters.
    pub device: Name,
    /// The sub-sensor within the device (`indoor`, `DS18B20-2`, an array index); empty where there is one only.
    pub channel: Name,
    /// When it was measured, truncated to microseconds as PostgreSQL keeps it.
    pub observed_at: Timestamp,
    /// The values; at least one, and no two of one metric in one unit and of one kind.
    pub readings: Vec<Reading>,
}

impl Sample {
    /// A moment of which one value is known.
    pub fn of(device: Name, channel: Name, observed_at: Timestamp, reading: Reading) -> Self {
        Self { device, channel, observed_at, readings: vec![reading] }
    }
}

/// One measured value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reading {
    /// The canonical metric name (`temperature`, `relative_humidity`), else snake_case of the platform's name.
    pub metric: Name,
    /// The value, in `unit`.
    pub value: Value,
    /// The canonical unit symbol (SenML, RFC 8428 and RFC 8798; UCUM where SenML has none); `None` if unknown.
    pub unit: Option<Name>,
    /// Whether rules may act on it.
    pub quality: Quality,
    /// Why the quality is not good, or what was assumed: `time_implausible`, `assumed_unit`, `duplicate_key`, ...
    pub flags: Vec<&'static str>,
    /// The name of the field or path it came from, as the platform wrote it; only where it was asked for.
    pub raw_metric: Option<Box<str>>,
}

/// A reading's value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A finite number.
    Number(f64),
    /// A flag; kept as 0 or 1.
    Flag(bool),
    /// A text without NUL.
    Text(String),
    /// Bytes (SenML `vd`); kept as lower-case hexadecimal text.
    Bytes(Vec<u8>),
}

/// What kind of values a series holds; part of the series' identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// Numbers.
    Number,
    /// Flags, 0 or 1.
    Flag,
    /// Texts.
    Text,
    /// Bytes, in hexadecimal.
    Bytes,
}

words!(ValueKind, "kind of value", { Number = "number", Flag = "flag", Text = "text", Bytes = "bytes" });

impl Value {
    /// The kind of this value.
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::Number(_) => ValueKind::Number,
            Self::Flag(_) => ValueKind::Flag,
            Self::Text(_) => ValueKind::Text,
            Self::Bytes(_) => ValueKind::Bytes,
        }
    }

    /// The value as a number: flags are 0 and 1, texts and bytes have none.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Self::Text(_) | Self::Bytes(_) => None,
        }
    }

    /// The value as the text that the database keeps; numbers and flags have none.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Number(_) | Self::Flag(_) => None,
            Self::Text(text) => Some(text.clone()),
            Self::Bytes(bytes) => Some(crate::hex(bytes)),
        }
    }
}

/// How far a reading can be trusted. Rules act on `Good` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Nothing speaks against it.
    #[default]
    Good,
    /// Its time or its value was repaired or is doubtful.
    Uncertain,
    /// The platform says itself that it is wrong.
    Bad,
}

words!(Quality, "quality", { Good = "good", Uncertain = "uncertain", Bad = "bad" });

impl Quality {
    /// The quality that the database keeps as this number; what it does not know is bad.
    pub const fn from_code(code: i16) -> Self {
        match code {
            0 => Self::Good,
            1 => Self::Uncertain,
            _ => Self::Bad,
        }
    }

    /// The number that the database keeps: 0, 1, 2.
    pub const fn code(self) -> i16 {
        match self {
            Self::Good => 0,
            Self::Uncertain => 1,
            Self::Bad => 2,
        }
    }
}

/// `time` without what is finer than a microsecond; a time before 1970 becomes earlier, not later.
pub fn truncate_to_micros(time: Timestamp) -> Timestamp {
    let nanoseconds = time.as_nanosecond();
    Timestamp::from_nanosecond(nanoseconds - nanoseconds.rem_euclid(1000)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::truncate_to_micros;

    #[test]
    fn truncation_goes_towards_the_past_on_both_sides_of_the_epoch() {
        let cut = |text: &str| truncate_to_micros(text.parse::<Timestamp>().unwrap()).to_string();
        assert_eq!(cut("2026-01-15T12:00:00.123456789Z"), "2026-01-15T12:00:00.123456Z");
        assert_eq!(cut("1677-09-21T00:12:43.145224193Z"), "1677-09-21T00:12:43.145224Z");
    }
}
