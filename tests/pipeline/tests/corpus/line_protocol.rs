//! The cases that the authors of line protocol publish for its parsers: text in, points or an error out.
//!
//! The file is `influx_line_protocol/_corpus.jsonl` in the folder that `FRESHET_CORPUS` names.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use decoders::formats::influx_line_protocol::{FieldValue, Point, Precision, parse};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::door::Door;
use crate::{Tally, suites};

/// Each case through `ingest`; what is queued parses as its authors say, and what is no line protocol is refused or
/// becomes a problem.
pub(crate) async fn cases(door: &Door, corpus: &Path) -> Tally {
    let cases = suites::lines(&corpus.join("influx_line_protocol/_corpus.jsonl"));
    let mut unmet = Vec::new();
    for (number, case) in (1..).zip(&cases) {
        let reason = check(door, case).await.err();
        unmet.extend(reason.map(|reason| format!("influx_line_protocol/_corpus/{number}: {reason}")));
    }
    Tally { name: "influx_line_protocol/_corpus".to_owned(), samples: cases.len(), unmet, is_built: true }
}

async fn check(door: &Door, case: &Value) -> Result<(), String> {
    let precision = case["precision"].as_str().expect("a precision").trim_start_matches('1');
    let default = case["default_time_ns"].as_i64().expect("a default time");
    let mut request = suites::post("influx_line_protocol", "text/plain", input(case));
    request.query = format!("precision={precision}");
    let at = Timestamp::from_nanosecond(i128::from(default)).expect("a default time is a time");
    let entry = door.send(&request, at).await;
    let text = String::from_utf8_lossy(&request.body);
    let Some(event) = &entry.event else {
        let is_refusal = case.get("result").is_none_or(|points| points == &json!([]));
        return if is_refusal {
            Ok(())
        } else {
            Err(format!("{text:?}: answered {}: {}", entry.status, entry.answer))
        };
    };
    let accepted = door.accepted(event);
    let Some(expected) = case.get("result") else {
        let is_named = !accepted.decoded.problems.is_empty();
        return if is_named { Ok(()) } else { Err(format!("{text:?}: it was taken without a problem")) };
    };
    let precision = Precision::by_name(precision).expect("a known precision");
    let points = parse(&accepted.request.body)
        .map(|point| {
            point.map_err(|error| error.to_string()).and_then(|point| as_case(&point, precision, default))
        })
        .collect::<Result<Vec<Value>, String>>();
    match points {
        Ok(points) if same(expected, &Value::Array(points.clone())) => Ok(()),
        found => Err(format!("{text:?}: expected {expected}, found {found:?}")),
    }
}

fn input(case: &Value) -> Vec<u8> {
    match &case["text"] {
        Value::String(text) => text.clone().into_bytes(),
        other => {
            STANDARD.decode(other["binary"].as_str().expect("text or binary")).expect("binary is base64")
        }
    }
}

/// A point as the corpus writes it: tags in the order of their keys.
fn as_case(point: &Point<'_>, precision: Precision, default: i64) -> Result<Value, String> {
    let time = match point.timestamp {
        Some(time) => precision.nanoseconds(time).ok_or("time out of range")?,
        None => precision.truncate(i128::from(default)),
    };
    let mut tags = point.tags.clone();
    tags.sort();
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let fields: Vec<Value> = point
        .fields
        .iter()
        .map(|(key, value)| {
            let value = match value {
                FieldValue::Float(number) => json!({"float": number}),
                FieldValue::Integer(number) => json!({"int": number}),
                FieldValue::Unsigned(number) => json!({"uint": number}),
                FieldValue::Boolean(flag) => json!({"bool": flag}),
                FieldValue::Text(text) => json!({"string": text}),
            };
            json!({"key": key, "value": value})
        })
        .collect();
    let time = i64::try_from(time).map_err(|_| "time out of range")?;
    Ok(json!({"time": time, "name": point.measurement, "tags": tags, "fields": fields}))
}

/// Equality of JSON values in which `1` and `1.0` are the same number.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => left == right,
    }
}
