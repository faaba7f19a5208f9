//! One line: a value and all that tells which.

use event_model::reading::{ValueKind, truncate_to_micros};
use event_model::{Name, Quality, Reading, Value};
use jiff::Timestamp;

use crate::decode::Context;
use crate::device;
use crate::json::{Node, Number, Object};
use crate::measure::bounded;
use crate::time;
use crate::walk::DUPLICATE_KEY;

/// A line by its columns.
#[derive(Clone, Copy)]
pub(super) struct Line<'a>(pub(super) &'a Object);

/// The column that makes no sense, and why.
pub(super) type Wrong = (&'static str, String);

impl<'a> Line<'a> {
    /// The device; `None` where the line names none.
    pub(super) fn device(self) -> Result<Option<Name>, Wrong> {
        let Some(raw) = self.name("device")? else { return Ok(None) };
        let device = device::normalise(raw).map_err(|reason| ("device", reason.to_owned()))?;
        Ok(Some(device.into()))
    }

    /// The channel; empty where the device has one only.
    pub(super) fn channel(self) -> Result<Name, Wrong> {
        Ok(self.bounded("channel")?.unwrap_or_default())
    }

    /// When it was measured.
    pub(super) fn observed_at(self, received_at: Timestamp) -> Result<Timestamp, Wrong> {
        let wrong = |reason: &str| ("observed_at", reason.to_owned());
        let text = self.name("observed_at")?.ok_or_else(|| wrong("expected a time, found nothing"))?;
        let at: Timestamp = text.parse().map_err(|_| wrong("expected a time with an offset (RFC 3339)"))?;
        if !time::is_plausible(at, received_at) {
            return Err(wrong("the time is before 2000, or more than 24 hours ahead"));
        }
        Ok(truncate_to_micros(at))
    }

    /// The metric with its value.
    pub(super) fn reading(self, context: Context<'_>) -> Result<Reading, Wrong> {
        let metric =
            self.bounded("metric")?.ok_or_else(|| ("metric", "expected a name, found nothing".to_owned()))?;
        let is_repeated = self.0.values().any(|member| member.repeated);
        Ok(Reading {
            value: self.value()?,
            unit: self.bounded("unit")?,
            quality: self.quality()?,
            flags: is_repeated.then_some(DUPLICATE_KEY).into_iter().collect(),
            raw_metric: context.raw_name("", &metric),
            metric,
        })
    }

    fn value(self) -> Result<Value, Wrong> {
        let kind = self.name("kind")?.unwrap_or_default();
        match kind.parse() {
            Ok(ValueKind::Number) => self.number().map(Value::Number),
            Ok(ValueKind::Flag) => self.flag().map(Value::Flag),
            Ok(ValueKind::Text) => Ok(Value::Text(self.text()?.replace('\0', ""))),
            Ok(ValueKind::Bytes) => {
                let digits = || ("text", "expected hexadecimal digits, two a byte".to_owned());
                bytes(self.text()?).map(Value::Bytes).ok_or_else(digits)
            }
            Err(_) => Err(("kind", "expected number, flag, text or bytes".to_owned())),
        }
    }

    fn number(self) -> Result<f64, Wrong> {
        let number = match self.column("value") {
            Some(Node::Number(number)) => number.value(),
            Some(Node::Text(text)) => Number::new(text.trim()).value(),
            other => return Err(("value", expected("a number", other))),
        };
        let wrong = || ("value", "expected a number within the range of a double".to_owned());
        Some(number).filter(|number| number.is_finite()).ok_or_else(wrong)
    }

    fn flag(self) -> Result<bool, Wrong> {
        let wrong = || ("value", "expected 0, 1, true or false".to_owned());
        match self.column("value") {
            Some(Node::Flag(flag)) => Ok(*flag),
            Some(Node::Text(text)) if text == "true" => Ok(true),
            Some(Node::Text(text)) if text == "false" => Ok(false),
            _ => match self.number() {
                Ok(0.0) => Ok(false),
                Ok(1.0) => Ok(true),
                _ => Err(wrong()),
            },
        }
    }

    /// The text as it stands; an empty one is one.
    fn text(self) -> Result<&'a str, Wrong> {
        match self.column("text") {
            Some(Node::Text(text)) => Ok(text),
            other => Err(("text", expected("a text", other))),
        }
    }

    fn quality(self) -> Result<Quality, Wrong> {
        let quality = self.name("quality")?.map_or(Ok(Quality::Good), str::parse);
        quality.map_err(|_| ("quality", "expected good, uncertain or bad".to_owned()))
    }

    /// A name as it stands, that is none of those which the database cannot hold; `None` where it is empty.
    fn bounded(self, column: &'static str) -> Result<Option<Name>, Wrong> {
        let Some(name) = self.name(column)? else { return Ok(None) };
        bounded(column, name).map_err(|reason| (column, reason))?;
        Ok(Some(name.into()))
    }

    /// A text, or a number as it is spelt; `None` where it is empty.
    fn name(self, column: &'static str) -> Result<Option<&'a str>, Wrong> {
        let Some(node) = self.column(column) else { return Ok(None) };
        let name = node.as_name().ok_or_else(|| (column, expected("a text", Some(node))))?;
        Ok(Some(name).filter(|name| !name.is_empty()))
    }

    /// What stands in a column; `null` is nothing.
    fn column(self, column: &str) -> Option<&'a Node> {
        self.0.get(column).map(|member| &member.node).filter(|node| **node != Node::Null)
    }
}

fn expected(what: &str, found: Option<&Node>) -> String {
    format!("expected {what}, found {}", found.map_or("nothing", Node::kind))
}

/// Bytes of two hexadecimal digits each.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}
