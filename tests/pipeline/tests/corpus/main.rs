//! Every sample of the corpus through redaction, form check and decoder.
//!
//! The corpus is the folder that `FRESHET_CORPUS` names: `<format>/<name>.meta.json` says what was posted and what it
//! is worth, and names the payload beside it. Without the variable each test says by its name that it was skipped.
//! Expectations that a specification contradicts are listed in `tests/disputed.txt`.

mod compare;
mod sample;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use decoders::json::Node;
use decoders::{Context, Profile, by_name};
use event_model::RecordedRequest;
use jiff::Timestamp;
use sample::Sample;

/// The corpus' name of a format, and ours.
const FORMATS: [(&str, &str); 11] = [
    ("ambient_weather", "ambient_weather"),
    ("aws_iot_http", "aws_iot_http"),
    ("azure_event_grid", "azure_event_grid"),
    ("chirpstack_v4", "chirpstack_v4"),
    ("cloudevents", "cloudevents"),
    ("ecowitt", "ecowitt"),
    ("generic_json_nasty", "json"),
    ("influx_line_protocol", "influx_line_protocol"),
    ("senml_json", "senml_json"),
    ("tasmota", "tasmota"),
    ("ttn_v3", "ttn_v3"),
];

fn corpus(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("FRESHET_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: {test}: FRESHET_CORPUS names no folder");
    }
    folder
}

/// The disputed samples: `format/name` at the start of a line.
fn disputed() -> Vec<&'static str> {
    let lines = include_str!("../disputed.txt").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn every_sample_meets_its_verdict_and_expected_readings() {
    let Some(folder) = corpus("every_sample_meets_its_verdict_and_expected_readings") else { return };
    let disputed = disputed();
    let (mut total, mut unmet) = (0, Vec::new());
    println!("{:<24}{:>8}{:>8}{:>8}{:>10}", "format", "samples", "met", "not met", "not built");
    for (theirs, ours) in FORMATS {
        let samples = Sample::all(&folder.join(theirs));
        let failures: Vec<String> = match by_name(ours) {
            Some(format) => {
                samples.iter().filter_map(|sample| compare::check(format, sample).err()).collect()
            }
            None => Vec::new(),
        };
        let not_built = if by_name(ours).is_none() { samples.len() } else { 0 };
        let met = samples.len() - failures.len() - not_built;
        println!("{theirs:<24}{:>8}{met:>8}{:>8}{not_built:>10}", samples.len(), failures.len());
        total += samples.len();
        unmet.extend(failures);
    }
    let (disputes, defects): (Vec<_>, Vec<_>) = unmet
        .into_iter()
        .partition(|failure| disputed.iter().any(|name| failure.starts_with(&format!("{name}:"))));
    disputes.iter().for_each(|dispute| println!("disputed: {dispute}"));
    assert!(disputes.len() * 50 <= total, "more than 2 % of the expectations are disputed");
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
}

#[test]
fn the_json_parser_accepts_and_rejects_as_its_test_suite_says() {
    let Some(folder) = corpus("the_json_parser_accepts_and_rejects_as_its_test_suite_says") else { return };
    let cases = lines(&folder.join("generic_json_nasty/_jsontestsuite.jsonl"));
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let body = STANDARD.decode(case["body_base64"].as_str()?).ok()?;
            let accepted = Node::parse(&body).is_ok();
            let expected = case["expect"].as_str()?;
            let agrees = expected == "either" || accepted == (expected == "accept");
            (!agrees).then(|| format!("{}: accepted is {accepted}", case["id"]))
        })
        .collect();
    println!(
        "JSON parser: {} cases, {} met, {} not met",
        cases.len(),
        cases.len() - wrong.len(),
        wrong.len()
    );
    assert!(!cases.is_empty() && wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Consecutive uplinks whose formatter changes in the middle: no frame is refused, none is taken for another.
#[test]
fn a_sequence_of_uplinks_is_read_through_a_change_of_its_formatter() {
    let Some(folder) = corpus("a_sequence_of_uplinks_is_read_through_a_change_of_its_formatter") else {
        return;
    };
    let file = folder.join("ttn_v3/_sequence.jsonl");
    let text = std::fs::read_to_string(&file).expect("the corpus holds the sequence");
    let format = by_name("ttn_v3").expect("ttn_v3 is built");
    let profile = Profile { source: "ttn_v3".to_owned(), ..Profile::default() };
    let received_at: Timestamp = "2026-01-15T12:00:00Z".parse().expect("a time");
    let mut with_readings = 0;
    for line in text.lines() {
        let request = RecordedRequest {
            method: "POST".to_owned(),
            path: "/hooks/ttn_v3".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: line.as_bytes().to_vec(),
            ..RecordedRequest::default()
        };
        let message: serde_json::Value = serde_json::from_str(line).expect("a message is JSON");
        let has_values = message["uplink_message"]["decoded_payload"].is_object();
        let device = message["end_device_ids"]["dev_eui"].as_str().expect("an EUI").to_lowercase();
        let intake = format.inspect(&request, &profile).expect("a message is well formed");
        assert_eq!(intake.device.as_deref(), Some(device.as_str()));
        let decoded =
            format.decode(&request, Context { profile: &profile, received_at }).expect("a message decodes");
        assert!(decoded.problems.is_empty(), "{:?}", decoded.problems);
        assert_eq!(!decoded.readings.is_empty(), has_values);
        let metrics: Vec<_> = decoded.readings.iter().map(|reading| reading.metric.as_str()).collect();
        if has_values {
            let expected = ["battery_voltage", "temperature", "soil_ec", "soil_temperature", "soil_moisture"];
            assert_eq!(metrics, expected);
            with_readings += 1;
        }
    }
    println!("sequence: {} messages, {with_readings} with readings", text.lines().count());
    assert_eq!((text.lines().count(), with_readings), (48, 2));
}

fn lines(file: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).expect("the corpus holds the file");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}
