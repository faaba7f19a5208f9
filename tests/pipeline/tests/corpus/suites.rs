//! The corpora that are lines of one file: cases for JSON parsers, and consecutive uplinks of one device.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::RecordedRequest;
use event_model::cloudevent;
use jiff::Timestamp;
use serde_json::Value;

use crate::Tally;
use crate::door::Door;

/// When the lines of the corpora arrive.
pub(crate) const RECEIVED_AT: &str = "2026-01-15T12:00:00Z";

/// The cases for JSON parsers, by whose ids disputes name them.
const JSON: &str = "generic_json_nasty/_jsontestsuite";

/// What JSON is and what not. A value that is no object is refused for that (422), and not for its form (400).
pub(crate) async fn json(door: &Door, corpus: &Path) -> Tally {
    let cases = lines(&corpus.join("generic_json_nasty/_jsontestsuite.jsonl"));
    let mut unmet = Vec::new();
    for case in &cases {
        let body = case["body_base64"].as_str().and_then(|text| STANDARD.decode(text).ok());
        let request = post("generic_json_nasty", "application/json", body.expect("a body in Base64"));
        let entry = door.send(&request, received_at()).await;
        if let Some(event) = &entry.event {
            door.accepted(event);
        }
        let is_as_expected = match case["expect"].as_str() {
            Some("accept") => matches!(entry.status, 202 | 422),
            // 411: without a body there is no length either.
            Some("reject") => matches!(entry.status, 400 | 411),
            _ => matches!(entry.status, 202 | 400 | 422),
        };
        if !is_as_expected {
            let id = case["id"].as_str().expect("a case has an id");
            unmet.push(format!("{JSON}/{id}: {} expected, answered {}", case["expect"], entry.status));
        }
    }
    Tally { name: JSON.to_owned(), samples: cases.len(), unmet, is_built: true }
}

/// Uplinks whose formatter changes in the middle: no frame is refused, none is taken for another.
pub(crate) async fn sequence(door: &Door, corpus: &Path) -> Tally {
    let messages = lines(&corpus.join("ttn_v3/_sequence.jsonl"));
    let mut unmet = Vec::new();
    let mut ids = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let request = post("ttn_v3", "application/json", message.to_string().into_bytes());
        let entry = door.send(&request, received_at()).await;
        let Some(event) = &entry.event else {
            unmet.push(format!("ttn_v3/_sequence/{number}: answered {}: {}", entry.status, entry.answer));
            continue;
        };
        let device = message["end_device_ids"]["dev_eui"].as_str().expect("an EUI").to_lowercase();
        if cloudevent::extension(event, "partitionkey").as_deref() != Some(device.as_str()) {
            unmet.push(format!("ttn_v3/_sequence/{number}: it was taken for another device's"));
        }
        ids.push(cloudevents::AttributesReader::id(event).to_owned());
        let decoded = door.accepted(event).decoded;
        let metrics: Vec<_> = decoded.readings().map(|(_, reading)| reading.metric.as_str()).collect();
        let expected: &[&str] = if message["uplink_message"]["decoded_payload"].is_object() {
            &["battery_voltage", "temperature", "soil_ec", "soil_temperature", "soil_moisture"]
        } else {
            &[]
        };
        if metrics != expected || !decoded.problems.is_empty() {
            unmet.push(format!(
                "ttn_v3/_sequence/{number}: {expected:?} expected, found {metrics:?} {:?}",
                decoded.problems
            ));
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len() + unmet.len(), messages.len(), "two uplinks have one id");
    Tally { name: "ttn_v3/_sequence".to_owned(), samples: messages.len(), unmet, is_built: true }
}

/// A payload posted to the source of a kind.
pub(crate) fn post(kind: &str, content_type: &str, body: Vec<u8>) -> RecordedRequest {
    RecordedRequest {
        method: "POST".to_owned(),
        path: format!("/hooks/{kind}"),
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.into(),
        ..RecordedRequest::default()
    }
}

/// The lines of a file, each JSON.
pub(crate) fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).expect("the corpus holds the file");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn received_at() -> Timestamp {
    RECEIVED_AT.parse().expect("a time")
}
