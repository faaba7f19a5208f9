//! What a sample's payload became, beside what it is worth.

use cloudevents::{AttributesReader as _, Event};
use decoders::Decoded;
use event_model::{Reading, Sample as Measured, Value, cloudevent};
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::door::{Door, Entry};
use crate::sample::Sample;

/// What became of a payload.
enum Fate {
    Refused(String),
    Handshake(Json),
    /// It was taken for another device's or another message.
    Mistaken(String),
    Decoded(Decoded),
}

/// Sends a sample and compares; the error names it.
pub(crate) async fn check(door: &Door, sample: &Sample) -> Result<(), String> {
    let entry = door.send(&sample.request, sample.received_at).await;
    compare(&fate(door, &entry, sample), sample).map_err(|reason| format!("{}: {reason}", sample.name))
}

fn fate(door: &Door, entry: &Entry, sample: &Sample) -> Fate {
    match &entry.event {
        Some(event) => match as_expected(event, sample) {
            Ok(()) => Fate::Decoded(door.accepted(event).decoded),
            Err(reason) => Fate::Mistaken(reason),
        },
        // The answer is the handshake's; where Amazon is to be asked, nobody was found under its name.
        None if entry.status == 200 || entry.answer.contains("AWS IoT could not be reached") => {
            Fate::Handshake(serde_json::from_str(&entry.answer).unwrap_or_default())
        }
        None => Fate::Refused(format!("{} {}", entry.status, entry.answer)),
    }
}

/// Where a sample states device and message id, `ingest` has to find the same in it.
fn as_expected(event: &Event, sample: &Sample) -> Result<(), String> {
    let format = sample.meta["format"].as_str().expect("a format");
    let key = cloudevent::extension(event, "partitionkey");
    let named = sample.meta["device"].as_str().map(|name| device(format, Some(name)));
    if named.as_deref().is_some_and(cloudevent::is_safe) && key.as_deref() != named.as_deref() {
        return Err(format!("device {named:?} expected, found {key:?}"));
    }
    let named = sample.meta["message_id"].as_str().filter(|id| cloudevent::is_safe(id));
    if named.is_some_and(|id| !event.id().starts_with(&format!("{id}-"))) {
        return Err(format!("message id {named:?} expected, found {}", event.id()));
    }
    Ok(())
}

fn compare(fate: &Fate, sample: &Sample) -> Result<(), String> {
    let verdict = sample.meta["verdict"].as_str().expect("a verdict");
    match (verdict, fate) {
        (_, Fate::Mistaken(reason)) => Err(reason.clone()),
        (verdict, Fate::Refused(_)) if verdict.starts_with("reject_") => Ok(()),
        // A rejection may come as a dead letter with its reason.
        (verdict, Fate::Decoded(decoded)) if verdict.starts_with("reject_") => {
            let is_rejected = decoded.samples.is_empty() && !decoded.problems.is_empty();
            if is_rejected { Ok(()) } else { Err(format!("{verdict}, but it was accepted")) }
        }
        ("handshake", Fate::Handshake(answer)) => handshake_as_expected(answer, sample),
        ("accept" | "accept_no_data", Fate::Decoded(decoded)) if !decoded.problems.is_empty() => {
            Err(format!("problems where there are none: {:?}", decoded.problems))
        }
        ("partial", Fate::Decoded(decoded)) if decoded.problems.is_empty() => {
            Err("a part makes no sense, but nothing was reported".to_owned())
        }
        ("accept" | "accept_no_data" | "partial", Fate::Decoded(decoded)) => {
            readings_as_expected(decoded, sample)
        }
        (verdict, Fate::Refused(reason)) => Err(format!("{verdict}, but it was refused: {reason}")),
        (verdict, Fate::Handshake(_)) => Err(format!("{verdict}, but it was taken for a handshake")),
        (verdict, Fate::Decoded(_)) => Err(format!("{verdict}, but it was decoded")),
    }
}

/// Event Grid is answered in the body; AWS IoT at its own address, which `ingest`'s own tests look into.
fn handshake_as_expected(answer: &Json, sample: &Sample) -> Result<(), String> {
    let expected = &sample.meta["response"]["json"]["validationResponse"];
    if expected.is_null() || answer["validationResponse"] == *expected {
        Ok(())
    } else {
        Err(format!("another answer: {answer}"))
    }
}

fn readings_as_expected(decoded: &Decoded, sample: &Sample) -> Result<(), String> {
    let expected = sample.meta["expected"].as_array().expect("expected readings");
    let mut left: Vec<(&Measured, &Reading)> = decoded.readings().collect();
    let mut unmet = Vec::new();
    for one in expected {
        match left.iter().position(|(measured, reading)| is_as_expected(measured, reading, one, sample)) {
            Some(at) => drop(left.remove(at)),
            None => unmet.push(format!("expected {one}")),
        }
    }
    // The vectors of signatures say nothing about what is signed.
    let is_any_body = sample.meta["format"] == "standard_webhooks_signature";
    let may_have_more = is_any_body || sample.meta["expected_is"] == "subset";
    if unmet.is_empty() && (left.is_empty() || may_have_more) {
        return Ok(());
    }
    unmet.extend(left.iter().map(|(measured, reading)| {
        let Measured { device, channel, observed_at, .. } = measured;
        let Reading { metric, value, unit, quality, flags, .. } = reading;
        format!(
            "found `{device}` `{channel}` {observed_at} {metric} {value:?} {unit:?} {quality:?} {flags:?}"
        )
    }));
    Err(unmet.join("\n    "))
}

fn is_as_expected(measured: &Measured, reading: &Reading, expected: &Json, sample: &Sample) -> bool {
    let text = |key: &str| expected[key].as_str();
    let format = sample.meta["format"].as_str().expect("a format");
    let time = match text("time") {
        Some("$received") | None => sample.received_at,
        Some(time) => time.parse::<Timestamp>().expect("a time"),
    };
    let tolerance = expected["tol"].as_f64().or(sample.meta["tol"].as_f64());
    measured.device == device(format, text("device"))
        && measured.channel == text("channel").unwrap_or_default()
        && Some(reading.metric.as_str()) == text("metric")
        && reading.unit.as_deref() == text("unit")
        && measured.observed_at.as_microsecond() == time.as_microsecond()
        && format!("{:?}", reading.quality).to_lowercase() == text("quality").unwrap_or("good")
        && is_value(&reading.value, &expected["value"], tolerance)
}

/// The device as it is kept. A weather station's PASSKEY is a secret, of which only the first 64 bits of its SHA-256
/// are; where nothing names a device it is the source.
fn device(format: &str, expected: Option<&str>) -> String {
    match (format, expected) {
        ("ecowitt" | "ambient_weather", Some(secret)) => {
            let digest = Sha256::digest(secret.as_bytes());
            let first = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            format!("{format}-{first:016x}")
        }
        (_, Some(device)) => device.to_owned(),
        (format, None) => format.to_owned(),
    }
}

/// How far a converted value may be from the one that is written: where no tolerance is stated, it was rounded to six decimals.
fn rounded_by(written: &serde_json::Number) -> f64 {
    let decimals = written.to_string().rsplit_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals == 6 { 5e-7 } else { 0.0 }
}

fn is_value(value: &Value, expected: &Json, tolerance: Option<f64>) -> bool {
    match (value, expected) {
        (Value::Number(found), Json::Number(number)) => {
            let expected = number.as_f64().unwrap_or(f64::NAN);
            let allowed = tolerance.unwrap_or_else(|| (expected.abs() * 1e-9).max(rounded_by(number)));
            (found - expected).abs() <= allowed
        }
        (Value::Flag(found), Json::Bool(expected)) => found == expected,
        (Value::Text(found), Json::String(expected)) => found == expected,
        (Value::Bytes(_), Json::Object(expected)) => {
            value.as_text().as_deref() == expected["bytes_hex"].as_str()
        }
        _ => false,
    }
}
