//! One record as it is written: labels, types, and what RFC 8428 forbids.

use serde_json::{Map, Value};

/// The version that this decoder knows; RFC 8428 is version 10 (section 4.4).
pub(super) const VERSION: u64 = 10;

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

/// A label of `record` that says "whoever does not know me must not read this" (section 4.4): unknown, ends in `_`.
pub(super) fn mandatory_unknown(record: &Map<String, Value>) -> Option<&str> {
    record.keys().map(String::as_str).find(|label| label.ends_with('_'))
}

/// Reads the base fields.
pub(super) fn base_fields(record: &Map<String, Value>) -> Result<BaseFields<'_>, WrongField> {
    Ok(BaseFields {
        name: text(record, "bn")?,
        time: number(record, "bt")?,
        unit: text(record, "bu")?,
        value: number(record, "bv")?,
        sum: number(record, "bs")?,
    })
}

/// Reads the record's own fields.
pub(super) fn own_fields(record: &Map<String, Value>) -> Result<Record<'_>, WrongField> {
    let values = [
        number(record, "v")?.map(RecordValue::Number),
        text(record, "vs")?.map(RecordValue::Text),
        flag(record, "vb")?.map(RecordValue::Flag),
        text(record, "vd")?.map(RecordValue::Data),
    ];
    let mut values = values.into_iter().flatten();
    let value = values.next();
    if values.next().is_some() {
        return Err(WrongField { label: "v", reason: "expected one of v, vs, vb and vd, found several".into() });
    }
    Ok(Record {
        name: text(record, "n")?,
        unit: text(record, "u")?,
        time: number(record, "t")?,
        value,
        sum: number(record, "s")?,
        is_null: ["v", "vs", "vb", "vd", "s"].iter().any(|label| record.get(*label).is_some_and(Value::is_null)),
    })
}

fn text<'a>(record: &'a Map<String, Value>, label: &'static str) -> Result<Option<&'a str>, WrongField> {
    match record.get(label) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong(label, "a string", other)),
    }
}

fn number(record: &Map<String, Value>, label: &'static str) -> Result<Option<f64>, WrongField> {
    match record.get(label) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        Some(other) => Err(wrong(label, "a number", other)),
    }
}

fn flag(record: &Map<String, Value>, label: &'static str) -> Result<Option<bool>, WrongField> {
    match record.get(label) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(other) => Err(wrong(label, "a boolean", other)),
    }
}

fn wrong(label: &'static str, expected: &str, found: &Value) -> WrongField {
    WrongField { label, reason: format!("expected {expected}, found {}", kind(found)) }
}

/// What a JSON value is, as an error message says it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
