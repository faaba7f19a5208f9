//! Values that are neither list nor map.

use std::fmt;

use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use crate::duration;
use crate::node::{Node, Value};
use crate::report::Report;
use crate::shape::{Schema, Shape, Spelling};
use crate::suggest;

/// The longest text that is taken, in bytes.
const MAX_TEXT: usize = 4096;

/// A text of 1 to 4096 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Text;

/// A text, or a number or flag as it is spelt.
#[derive(Debug, Clone, Copy)]
pub struct AnyText;

/// A text without spaces and other characters that header fields, addresses and attributes cannot carry; what it is.
#[derive(Debug, Clone, Copy)]
pub struct Word(pub &'static str);

/// A finite number.
#[derive(Debug, Clone, Copy)]
pub struct Number;

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub struct Flag;

/// A whole number from the first to the second.
#[derive(Debug, Clone, Copy)]
pub struct Whole(pub u32, pub u32);

/// A duration of 0 to 366 days.
#[derive(Debug, Clone, Copy)]
pub struct Duration;

/// A duration from the first to the second.
#[derive(Debug, Clone, Copy)]
pub struct DurationWithin(pub SignedDuration, pub SignedDuration);

/// One of these words, and what it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'c, T>(pub &'c [(&'static str, T)]);

/// A text of a form that a function knows.
pub struct Parsed<F> {
    schema: Json,
    parse: F,
}

impl Shape for Flag {
    type Value = bool;

    fn read(&self, node: &Node, report: &Report) -> Option<bool> {
        if let Value::Flag(flag, _) = node.value {
            return Some(flag);
        }
        report.expected(node, "true or false");
        None
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": "boolean"})
    }
}

impl Spelling for Flag {
    fn spell(&self, value: &bool) -> Json {
        (*value).into()
    }
}

impl<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>> Parsed<F> {
    /// Any text; `parse` says what is wrong with it.
    pub fn new(parse: F) -> Self {
        Self { schema: json!({"type": "string"}), parse }
    }

    /// The same, where a regular expression (ECMA-262) tells most of it to an editor.
    pub fn like(pattern: &str, parse: F) -> Self {
        Self { schema: json!({"type": "string", "pattern": pattern}), parse }
    }
}

impl<T, E: fmt::Display, F: Fn(&str) -> Result<T, E>> Shape for Parsed<F> {
    type Value = T;

    fn read(&self, node: &Node, report: &Report) -> Option<T> {
        (self.parse)(text(node, report)?).map_err(|error| report.mistake(node.place, error.to_string())).ok()
    }

    fn schema(&self, _: &Schema) -> Json {
        self.schema.clone()
    }
}

/// A text that is not empty, of a node.
pub fn text<'a>(node: &'a Node, report: &Report) -> Option<&'a str> {
    let Value::Text(text) = &node.value else {
        report.expected(node, "a text");
        return None;
    };
    if text.is_empty() || text.len() > MAX_TEXT {
        report.mistake(node.place, format!("expected a text of 1 to {MAX_TEXT} bytes"));
        return None;
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        report.mistake(node.place, "the text holds control characters");
        return None;
    }
    Some(text)
}

impl Shape for Text {
    type Value = String;

    fn read(&self, node: &Node, report: &Report) -> Option<String> {
        text(node, report).map(str::to_owned)
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": "string"})
    }
}

impl Spelling for Text {
    fn spell(&self, value: &String) -> Json {
        value.clone().into()
    }
}

impl Shape for AnyText {
    type Value = String;

    fn read(&self, node: &Node, report: &Report) -> Option<String> {
        match &node.value {
            Value::Number(_, spelling) | Value::Flag(_, spelling) => Some(spelling.clone()),
            _ => Text.read(node, report),
        }
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

impl Shape for Word {
    type Value = String;

    fn read(&self, node: &Node, report: &Report) -> Option<String> {
        let word = text(node, report)?;
        if word.chars().all(|c| c.is_ascii_graphic()) {
            return Some(word.to_owned());
        }
        report.mistake(node.place, format!("expected {}: printable ASCII without spaces", self.0));
        None
    }

    fn schema(&self, schema: &Schema) -> Json {
        Text.schema(schema)
    }
}

impl Shape for Number {
    type Value = f64;

    fn read(&self, node: &Node, report: &Report) -> Option<f64> {
        match node.value {
            Value::Number(number, _) if number.is_finite() => Some(number),
            Value::Number(..) => {
                report.mistake(node.place, "expected a finite number");
                None
            }
            _ => {
                report.expected(node, "a number");
                None
            }
        }
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": "number"})
    }
}

impl Shape for Whole {
    type Value = u32;

    fn read(&self, node: &Node, report: &Report) -> Option<u32> {
        let (Self(low, high), number) = (*self, Number.read(node, report)?);
        if number.fract() == 0.0 && number >= f64::from(low) && number <= f64::from(high) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
            return Some(number as u32);
        }
        report.mistake(node.place, format!("expected a whole number from {low} to {high}"));
        None
    }

    fn schema(&self, _: &Schema) -> Json {
        json!({"type": "integer", "minimum": self.0, "maximum": self.1})
    }
}

impl Spelling for Whole {
    fn spell(&self, value: &u32) -> Json {
        (*value).into()
    }
}

impl Shape for Duration {
    type Value = std::time::Duration;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        let parsed = match &node.value {
            Value::Text(text) => duration::parse(text),
            Value::Number(0.0, _) => Some(std::time::Duration::ZERO),
            _ => None,
        };
        if parsed.is_none() {
            report.mistake(node.place, format!("expected {}", duration::FORM));
        }
        parsed
    }

    fn schema(&self, schema: &Schema) -> Json {
        schema.define("Duration", || {
            json!({
                "description": "A duration: `90s`, `10m`, `2h`, `1d`, or several of them (`1h30m`).",
                "type": "string",
                "pattern": "^([0-9]+(ms|s|m|h|d))+$"
            })
        })
    }
}

impl Shape for DurationWithin {
    type Value = SignedDuration;

    fn read(&self, node: &Node, report: &Report) -> Option<SignedDuration> {
        let (Self(low, high), parsed) = (*self, Duration.read(node, report)?);
        let parsed = SignedDuration::try_from(parsed).ok()?;
        if (low..=high).contains(&parsed) {
            return Some(parsed);
        }
        report.mistake(node.place, format!("expected a duration from {low:#} to {high:#}"));
        None
    }

    fn schema(&self, schema: &Schema) -> Json {
        Duration.schema(schema)
    }
}

impl Spelling for DurationWithin {
    fn spell(&self, value: &SignedDuration) -> Json {
        format!("{value:#}").into()
    }
}

impl<T: Copy> Shape for Choice<'_, T> {
    type Value = T;

    fn read(&self, node: &Node, report: &Report) -> Option<T> {
        let word = text(node, report)?;
        if let Some((_, value)) = self.0.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let names: Vec<_> = self.0.iter().map(|(name, _)| *name).collect();
        let hint = suggest::hint(word, names.iter().copied());
        report.mistake(node.place, format!("`{word}` is not one of: {}{hint}", names.join(", ")));
        None
    }

    fn schema(&self, _: &Schema) -> Json {
        let names: Vec<_> = self.0.iter().map(|(name, _)| *name).collect();
        json!({"type": "string", "enum": names})
    }
}

impl<T: Copy + PartialEq> Spelling for Choice<'_, T> {
    fn spell(&self, value: &T) -> Json {
        self.0.iter().find(|(_, other)| other == value).map_or(Json::Null, |(name, _)| (*name).into())
    }
}
