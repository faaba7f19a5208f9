//! Every event's data: files in `catalogue/`, named after their type and case.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use event_model::event_types::{EMITTED, PAYLOAD_RECEIVED};
use event_model::events::{
    AlertsChanged, DeadLettersDue, EvaluationRequested, HeldPayloadsDue, JobsDue, NotificationFailed,
    NotificationsDue, ReadingsRecorded,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// (event type, case, data) of each file in a folder of the catalogue.
fn catalogue(folder: &str) -> Vec<(String, String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue").join(folder);
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (short, case) = name.rsplit_once('.').unwrap();
        let data = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        cases.push((format!("dev.freshet.{short}"), case.to_owned(), data));
    }
    cases
}

fn round_trip<T: Serialize + DeserializeOwned>(data: &Value) -> Option<Value> {
    serde_json::from_value::<T>(data.clone()).ok().map(|typed| serde_json::to_value(typed).unwrap())
}

fn typed(event_type: &str, data: &Value) -> Option<Value> {
    match event_type {
        "dev.freshet.readings.recorded.v1" => round_trip::<ReadingsRecorded>(data),
        "dev.freshet.evaluation.requested.v1" => round_trip::<EvaluationRequested>(data),
        "dev.freshet.dead-letters.due.v1" => round_trip::<DeadLettersDue>(data),
        "dev.freshet.held-payloads.due.v1" => round_trip::<HeldPayloadsDue>(data),
        "dev.freshet.jobs.due.v1" => round_trip::<JobsDue>(data),
        "dev.freshet.alerts.changed.v1" => round_trip::<AlertsChanged>(data),
        "dev.freshet.notifications.due.v1" => round_trip::<NotificationsDue>(data),
        "dev.freshet.notification.failed.v1" => round_trip::<NotificationFailed>(data),
        other => panic!("{other} is no event type with JSON data"),
    }
}

#[test]
fn every_type_with_json_data_has_valid_and_invalid_cases() {
    for folder in ["valid", "invalid"] {
        let found: BTreeSet<String> =
            catalogue(folder).into_iter().map(|(event_type, _, _)| event_type).collect();
        let wanted: BTreeSet<String> =
            EMITTED.iter().filter(|name| **name != PAYLOAD_RECEIVED).map(|name| (*name).to_owned()).collect();
        assert_eq!(found, wanted, "{folder}");
    }
}

#[test]
fn valid_cases_come_back_as_they_were() {
    for (event_type, case, data) in catalogue("valid") {
        assert_eq!(typed(&event_type, &data), Some(data), "{event_type} {case}");
    }
}

#[test]
fn invalid_cases_are_not_read() {
    for (event_type, case, data) in catalogue("invalid") {
        assert_eq!(typed(&event_type, &data), None, "{event_type} {case}");
    }
}
