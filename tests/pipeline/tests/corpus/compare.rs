//! What a sample's payload became, beside what it is worth.

use decoders::decode::Handshake;
use decoders::{Context, Decoded, Decoder, Intake, Profile};
use event_model::{Reading, Value};
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use crate::sample::Sample;

/// What became of a payload.
enum Fate {
    Refused(String),
    Handshake(Handshake),
    /// It was taken for another device's or another message.
    Mistaken(String),
    Decoded(Decoded),
}

/// Runs a sample and compares; the error names it.
pub(crate) fn check(format: &dyn Decoder, sample: &Sample) -> Result<(), String> {
    let fate = run(format, sample);
    compare(&fate, sample).map_err(|reason| format!("{}: {reason}", sample.name))
}

fn run(format: &dyn Decoder, sample: &Sample) -> Fate {
    let profile = Profile { source: format.name().to_owned(), ..Profile::default() };
    let mut request = sample.request.clone();
    format.redact(&mut request);
    match format.inspect(&request, &profile) {
        Err(error) => return Fate::Refused(error.to_string()),
        Ok(intake) => {
            if let Some(handshake) = intake.handshake {
                return Fate::Handshake(handshake);
            }
            if let Err(reason) = intake_as_told(&intake, sample) {
                return Fate::Mistaken(reason);
            }
        }
    }
    match format.decode(&request, Context { profile: &profile, received_at: sample.received_at }) {
        Err(error) => Fate::Refused(error.to_string()),
        Ok(decoded) => Fate::Decoded(decoded),
    }
}

/// Where a sample states device and message id, `ingest` has to find the same in it.
fn intake_as_told(intake: &Intake, sample: &Sample) -> Result<(), String> {
    let format = sample.meta["format"].as_str().expect("a format");
    let told = sample.meta["device"].as_str().map(|name| device(format, Some(name)));
    if told.is_some() && intake.device != told {
        return Err(format!("device {told:?} expected, found {:?}", intake.device));
    }
    let told = sample.meta["message_id"].as_str();
    if told.is_some() && intake.message_id.as_deref() != told {
        return Err(format!("message id {told:?} expected, found {:?}", intake.message_id));
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
            let is_rejected = decoded.readings.is_empty() && !decoded.problems.is_empty();
            if is_rejected { Ok(()) } else { Err(format!("{verdict}, but it was accepted")) }
        }
        ("handshake", Fate::Handshake(handshake)) => handshake_as_told(handshake, sample),
        ("accept" | "accept_no_data", Fate::Decoded(decoded)) if !decoded.problems.is_empty() => {
            Err(format!("problems where there are none: {:?}", decoded.problems))
        }
        ("partial", Fate::Decoded(decoded)) if decoded.problems.is_empty() => {
            Err("a part makes no sense, but nothing was reported".to_owned())
        }
        ("accept" | "accept_no_data" | "partial", Fate::Decoded(decoded)) => {
            readings_as_told(decoded, sample)
        }
        (verdict, Fate::Refused(reason)) => Err(format!("{verdict}, but it was refused: {reason}")),
        (verdict, Fate::Handshake(_)) => Err(format!("{verdict}, but it was taken for a handshake")),
        (verdict, Fate::Decoded(_)) => Err(format!("{verdict}, but it was decoded")),
    }
}

fn handshake_as_told(handshake: &Handshake, sample: &Sample) -> Result<(), String> {
    let expected = match handshake {
        Handshake::EventGrid { code } => {
            sample.meta["response"]["json"]["validationResponse"] == code.as_str()
        }
        Handshake::AwsIot { enable_url } => {
            let body: Json =
                serde_json::from_slice(&sample.request.body).map_err(|error| error.to_string())?;
            body["enableUrl"] == enable_url.as_str()
        }
    };
    if expected { Ok(()) } else { Err(format!("another handshake: {handshake:?}")) }
}

fn readings_as_told(decoded: &Decoded, sample: &Sample) -> Result<(), String> {
    let expected = sample.meta["expected"].as_array().expect("expected readings");
    let mut left: Vec<&Reading> = decoded.readings.iter().collect();
    for one in expected {
        let Some(at) = left.iter().position(|reading| is_as_told(reading, one, sample)) else {
            return Err(format!("expected {one}, found none of it in {left:#?}"));
        };
        left.remove(at);
    }
    let may_have_more = sample.meta["expected_is"] == "subset";
    if left.is_empty() || may_have_more {
        Ok(())
    } else {
        Err(format!("readings that nobody expects: {left:#?}"))
    }
}

fn is_as_told(reading: &Reading, expected: &Json, sample: &Sample) -> bool {
    let text = |key: &str| expected[key].as_str();
    let format = sample.meta["format"].as_str().expect("a format");
    let time = match text("time") {
        Some("$received") | None => sample.received_at,
        Some(time) => time.parse::<Timestamp>().expect("a time"),
    };
    let tolerance = expected["tol"].as_f64().or(sample.meta["tol"].as_f64());
    reading.device == device(format, text("device"))
        && reading.channel == text("channel").unwrap_or_default()
        && Some(reading.metric.as_str()) == text("metric")
        && reading.unit.as_deref() == text("unit")
        && reading.observed_at.as_microsecond() == time.as_microsecond()
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
        ("generic_json_nasty", None) => "json".to_owned(),
        (format, None) => format.to_owned(),
    }
}

fn is_value(value: &Value, expected: &Json, tolerance: Option<f64>) -> bool {
    match (value, expected) {
        (Value::Number(found), Json::Number(number)) => {
            let expected = number.as_f64().unwrap_or(f64::NAN);
            let allowed = tolerance.unwrap_or(expected.abs() * 1e-9);
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
