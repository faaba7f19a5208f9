//! One record as it is written: labels, types, and what RFC 8428 forbids.

use smol_str::SmolStr;

use crate::json::{Node, Object};

/// The version that this decoder knows; RFC 8428 is version 10 (section 4.4).
pub(super) const VERSION: f64 = 10.0;

/// A record's own fields, before the base fields are added (section 4.2).
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Record<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) unit: Option<&'a str>,
    pub(super) time: Option<f64>,
    pub(super) value: Option<RecordValue<'a>>,
    pub(super) sum: Option<f64>,
    /// There is a value field, and it says `null`: no reading, and no mistake.
    pub(super) is_null: bool,
}

/// The value of a record: one of `v`, `vs`, `vb`, `vd`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RecordValue<'a> {
    Number(f64),
    Text(&'a str),
    Flag(bool),
    /// Still in base64url.
    Data(&'a str),
}

/// The base fields that a record sets (section 4.1); `None` leaves the earlier one in force.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct BaseFields<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) time: Option<f64>,
    pub(super) unit: Option<&'a str>,
    pub(super) value: Option<f64>,
    pub(super) sum: Option<f64>,
}

/// A field that does not have its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrongField {
    pub(super) label: &'static str,
    pub(super) reason: String,
}

/// A label of `record` that forbids decoders without it to read the record (section 4.4): unknown, ends in `_`.
pub(super) fn mandatory_unknown(record: &Object) -> Option<&str> {
    record.keys().map(SmolStr::as_str).find(|label| label.ends_with('_'))
}

/// The version that `record` states; NaN where it is no number.
pub(super) fn version(record: &Object) -> Option<f64> {
    field(record, "bver")
        .map(|stated| if let Node::Number(number) = stated { number.value() } else { f64::NAN })
}

/// Reads the base fields.
pub(super) fn base_fields(record: &Object) -> Result<BaseFields<'_>, WrongField> {
    Ok(BaseFields {
        name: text(record, "bn")?,
        time: number(record, "bt")?,
        unit: unit(record, "bu")?,
        value: number(record, "bv")?,
        sum: number(record, "bs")?,
    })
}

/// Reads the record's own fields.
pub(super) fn own_fields(record: &Object) -> Result<Record<'_>, WrongField> {
    let values = [
        number(record, "v")?.map(RecordValue::Number),
        text(record, "vs")?.map(RecordValue::Text),
        flag(record, "vb")?.map(RecordValue::Flag),
        text(record, "vd")?.map(RecordValue::Data),
    ];
    let mut values = values.into_iter().flatten();
    let value = values.next();
    if values.next().is_some() {
        return Err(WrongField {
            label: "v",
            reason: "expected one of v, vs, vb and vd, found several".into(),
        });
    }
    Ok(Record {
        name: text(record, "n")?,
        unit: unit(record, "u")?,
        time: number(record, "t")?,
        value,
        sum: number(record, "s")?,
        is_null: ["v", "vs", "vb", "vd", "s"]
            .iter()
            .any(|label| record.get(*label).is_some_and(|member| member.node == Node::Null)),
    })
}

fn text<'a>(record: &'a Object, label: &'static str) -> Result<Option<&'a str>, WrongField> {
    match field(record, label) {
        None => Ok(None),
        Some(Node::Text(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(label, "a string", other)),
    }
}

/// A unit; the empty text that some libraries write is none.
fn unit<'a>(record: &'a Object, label: &'static str) -> Result<Option<&'a str>, WrongField> {
    Ok(text(record, label)?.filter(|unit| !unit.is_empty()))
}

fn number(record: &Object, label: &'static str) -> Result<Option<f64>, WrongField> {
    match field(record, label) {
        None => Ok(None),
        Some(Node::Number(number)) if number.value().is_finite() => Ok(Some(number.value())),
        Some(Node::Number(_)) => Err(WrongField { label, reason: "the number is out of range".to_owned() }),
        Some(other) => Err(wrong(label, "a number", other)),
    }
}

fn flag(record: &Object, label: &'static str) -> Result<Option<bool>, WrongField> {
    match field(record, label) {
        None => Ok(None),
        Some(Node::Flag(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong(label, "a boolean", other)),
    }
}

/// The value of a label; `null` counts as absent.
fn field<'a>(record: &'a Object, label: &str) -> Option<&'a Node> {
    record.get(label).map(|member| &member.node).filter(|node| **node != Node::Null)
}

fn wrong(label: &'static str, expected: &str, found: &Node) -> WrongField {
    WrongField { label, reason: format!("expected {expected}, found {}", found.kind()) }
}
