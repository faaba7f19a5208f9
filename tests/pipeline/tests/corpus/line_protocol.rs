//! The cases that the authors of line protocol publish for its parsers: text in, points or an error out.
//!
//! The file is `influx_line_protocol/_corpus.jsonl` in the folder that `FRESHET_CORPUS` names.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use decoders::formats::influx_line_protocol::{FieldValue, Point, Precision, SyntaxError, parse};
use serde_json::{Value, json};

#[test]
fn every_published_case_parses_as_its_authors_say() {
    let Some(folder) = std::env::var_os("FRESHET_CORPUS") else {
        println!("skipped: every_published_case_parses_as_its_authors_say: FRESHET_CORPUS names no folder");
        return;
    };
    let file = PathBuf::from(folder).join("influx_line_protocol/_corpus.jsonl");
    let text = std::fs::read_to_string(&file).expect("the corpus holds the line-protocol cases");
    let cases: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a case is JSON")).collect();
    let unmet: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    println!(
        "line protocol: {} cases, {} met, {} not met",
        cases.len(),
        cases.len() - unmet.len(),
        unmet.len()
    );
    assert!(!cases.is_empty() && unmet.is_empty(), "{}", unmet.join("\n"));
}

fn check(case: &Value) -> Result<(), String> {
    let input = input(case);
    let precision =
        Precision::by_name(case["precision"].as_str().expect("a precision").trim_start_matches('1'))
            .expect("a known precision");
    let default = case["default_time_ns"].as_i64().expect("a default time");
    let parsed: Result<Vec<Point<'_>>, SyntaxError> = parse(&input).collect();
    let found = parsed.map_err(|error| error.to_string()).and_then(|points| {
        points.iter().map(|point| as_case(point, precision, default)).collect::<Result<Vec<Value>, String>>()
    });
    let text = String::from_utf8_lossy(&input);
    match (case.get("result"), found) {
        (Some(expected), Ok(points)) if same(expected, &Value::Array(points.clone())) => Ok(()),
        (Some(expected), found) => Err(format!("{text:?}: expected {expected}, found {found:?}")),
        (None, Ok(points)) => {
            Err(format!("{text:?}: expected the error {}, found {points:?}", case["error"]))
        }
        (None, Err(_)) => Ok(()),
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
