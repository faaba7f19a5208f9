use event_model::{RecordedRequest, Value};

use super::Json;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::mapping::{Mapping, MetricMapping};
use crate::options::Options;
use crate::testing::{Decoded, Reading};

fn request(content_type: &str, body: &str) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        path: "/hooks/test".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_owned().into(),
        ..RecordedRequest::default()
    }
}

fn profile(mapping: Option<Mapping>) -> Profile {
    Profile {
        source: "test".into(),
        options: mapping.map(Options::new).unwrap_or_default(),
        ..Profile::default()
    }
}

fn decode_as(content_type: &str, body: &str, mapping: Option<Mapping>) -> Decoded {
    let profile = profile(mapping);
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    Json.decode(&request(content_type, body), context).unwrap().into()
}

fn decode(body: &str, mapping: Option<Mapping>) -> Decoded {
    decode_as("application/json", body, mapping)
}

fn inspect(body: &str) -> Result<Inspection, FormError> {
    Json.inspect(&request("application/json", body), &profile(None))
}

fn summary(reading: &Reading) -> (String, String, String, Value, String) {
    let Reading { device, channel, metric, value, observed_at, .. } = reading.clone();
    (device, channel, metric, value, observed_at.to_string())
}

fn mapping() -> Mapping {
    let metric = |value: &str, unit: Option<&str>, channel: Option<&str>| MetricMapping {
        value: value.into(),
        unit: unit.map(Into::into),
        channel: channel.map(Into::into),
        ..MetricMapping::default()
    };
    Mapping {
        items: Some("/readings".into()),
        device: vec!["/sensor/id".into(), "^/gateway".into()],
        time: vec!["/at".into()],
        message_id: Some("^/id".into()),
        metrics: [
            ("temperature".into(), metric("/t", Some("Far"), None)),
            ("power".into(), metric("/phases", None, Some("/port"))),
            ("mode".into(), metric("/mode", None, None)),
        ]
        .into(),
        missing: vec!["NA".into(), "-999".into()],
        ..Mapping::default()
    }
}

#[test]
fn without_a_mapping_usual_keys_name_device_and_time() {
    let decoded = decode(
        r#"{"deviceId": "d1", "ts": 1768478340, "air": {"temp": "21.5"}, "note": "ok", "on": true}"#,
        None,
    );
    let at = "2026-01-15T11:59:00Z".to_owned();
    let expected = [
        ("d1".into(), "air".into(), "temperature".into(), Value::Number(21.5), at.clone()),
        ("d1".into(), String::new(), "note".into(), Value::Text("ok".into()), at.clone()),
        ("d1".into(), String::new(), "on".into(), Value::Flag(true), at),
    ];
    assert_eq!(decoded.readings.iter().map(summary).collect::<Vec<_>>(), expected);
}

#[test]
fn a_date_of_mongodb_is_a_time() {
    let body = r#"{"time": {"$date": "2026-01-15T11:59:00.000Z"}, "deviceId": "d", "data": {"isOn": true}}"#;
    let summaries: Vec<_> = decode(body, None).readings.iter().map(summary).collect();
    let expected =
        ("d".into(), "data".into(), "is_on".into(), Value::Flag(true), "2026-01-15T11:59:00Z".into());
    assert_eq!(summaries, [expected]);
}

#[test]
fn where_nothing_names_a_device_it_is_the_source() {
    let decoded = decode(r#"[{"temp": 1}, {"device": "", "hum": 2}, {"device": 17, "temp": 3}]"#, None);
    let devices: Vec<_> = decoded.readings.iter().map(|reading| reading.device.as_str()).collect();
    assert_eq!(devices, ["test", "test", "17"]);
    assert_eq!(decoded.readings[0].flags[0], "time_received");
}

#[test]
fn a_mapping_finds_items_devices_units_arrays_and_gaps() {
    let body = r#"{"gateway": "gw", "id": "m-1", "readings": [
        {"sensor": {"id": "s1"}, "at": "2026-01-15T11:00:00Z", "t": 212, "phases": [1, "NA", 3], "port": "L"},
        {"at": "2026-01-15T11:01:00Z", "t": "-999", "phases": 4, "mode": "eco"}]}"#;
    let rows: Vec<_> = decode(body, Some(mapping())).readings.iter().map(summary).collect();
    let (first, second) = ("2026-01-15T11:00:00Z".to_owned(), "2026-01-15T11:01:00Z".to_owned());
    let expected = [
        ("s1".into(), "L.0".into(), "power".into(), Value::Number(1.0), first.clone()),
        ("s1".into(), "L.2".into(), "power".into(), Value::Number(3.0), first.clone()),
        ("s1".into(), String::new(), "temperature".into(), Value::Number(100.0), first),
        ("gw".into(), String::new(), "mode".into(), Value::Text("eco".into()), second.clone()),
        ("gw".into(), String::new(), "power".into(), Value::Number(4.0), second),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_mapped_metric_of_another_type_is_a_problem_at_its_place() {
    let body = r#"{"readings": [{"t": "warm", "phases": 1}, {"t": {"v": 1}, "mode": [{}]}]}"#;
    let decoded = decode(body, Some(mapping()));
    assert_eq!(decoded.readings.len(), 1);
    let problems: Vec<_> = decoded.problems.iter().map(|p| format!("{}: {}", p.place, p.reason)).collect();
    let expected = [
        "readings[0].t: expected a number, found a string",
        "readings[1].mode[0]: expected one value, found an object",
        "readings[1].t: expected a number, found an object",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn the_mapping_names_the_message_id() {
    let inspection =
        |body: &str| Json.inspect(&request("application/json", body), &profile(Some(mapping()))).unwrap();
    let one = inspection(r#"{"id": 7, "readings": [{"sensor": {"id": "s1"}}]}"#);
    assert_eq!((one.device.as_deref(), one.message_id.as_deref()), (Some("s1"), Some("7")));
    assert_eq!(inspection(r#"{"id": 7, "readings": []}"#), Inspection::default());
}

#[test]
fn what_has_no_item_is_refused() {
    for body in ["null", "3", "\"x\"", "[1, 2]"] {
        assert!(matches!(inspect(body), Err(FormError::Unprocessable(_))), "{body}");
    }
    assert!(matches!(inspect("{"), Err(FormError::Malformed(_))));
    let missing = Json.inspect(&request("application/json", "{}"), &profile(Some(mapping())));
    assert_eq!(missing.unwrap_err().to_string(), "readings: expected an array of items, found nothing");
}

#[test]
fn what_begins_as_json_is_taken_under_the_content_types_of_senders_that_cannot_state_another() {
    let inspect = |content_type, body| Json.inspect(&request(content_type, body), &profile(None));
    for content_type in
        ["text/plain; charset=utf-8", "application/octet-stream", "application/x-www-form-urlencoded"]
    {
        let decoded = decode_as(content_type, r#" {"device": "d", "temperature": 21.5}"#, None);
        assert_eq!(decoded.readings[0].device, "d", "{content_type}");
        assert!(matches!(inspect(content_type, "{"), Err(FormError::Malformed(_))), "{content_type}");
        for body in ["temperature=21.5", "21.5", ""] {
            let refused = inspect(content_type, body);
            assert!(matches!(refused, Err(FormError::UnsupportedMediaType { .. })), "{content_type}: {body}");
        }
    }
    assert!(matches!(inspect("application/xml", "{}"), Err(FormError::UnsupportedMediaType { .. })));
}

#[test]
fn half_of_a_surrogate_pair_is_a_problem_only_where_it_names_a_device() {
    let body = r#"[{"device": "a", "note": "x\ud800", "te\udfffmp": 21}, {"device": "b\ud83d", "x": 2}, {"mac": "c", "x": 3}]"#;
    let decoded = decode(body, None);
    let rows: Vec<_> = decoded.readings.iter().map(|r| (&*r.device, &*r.metric, r.value.clone())).collect();
    let expected = [
        ("a", "note", Value::Text("x\u{fffd}".into())),
        ("a", "temperature", Value::Number(21.0)),
        ("c", "x", Value::Number(3.0)),
    ];
    assert_eq!(rows, expected);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[1].device"]);
}

#[test]
fn a_mappings_channel_is_that_of_every_value_too() {
    let mapping = Mapping {
        items: Some("/metrics".into()),
        channel: Some("/tags/cpu".into()),
        device: vec!["/tags/host".into()],
        ..Mapping::default()
    };
    let body = r#"{"metrics": [{"fields": {"idle": 91.5}, "tags": {"cpu": "cpu0", "host": "h"}},
        {"fields": {"idle": 12.5}, "load": [7], "tags": {"cpu": "cpu1", "host": "h"}}]}"#;
    let decoded = decode(body, Some(mapping));
    let rows: Vec<_> =
        decoded.readings.iter().map(|r| (&*r.channel, &*r.metric, r.value.as_number())).collect();
    let expected = [
        ("cpu0.fields", "idle", Some(91.5)),
        ("cpu1.fields", "idle", Some(12.5)),
        ("cpu1.0", "load", Some(7.0)),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_mapping_may_take_an_item_as_a_whole() {
    let metrics = [("temperature".into(), MetricMapping::default())].into();
    let mapping = Mapping { metrics, ..Mapping::default() };
    let decoded = decode(r#"[21.5, "warm", {"t": 1}]"#, Some(mapping.clone()));
    assert_eq!(decoded.readings[0].value, Value::Number(21.5));
    let problems: Vec<_> = decoded.problems.iter().map(|p| format!("{}: {}", p.place, p.reason)).collect();
    let expected = ["[1]: expected a number, found a string", "[2]: expected a number, found an object"];
    assert_eq!(problems, expected);
    let inspect = |body| Json.inspect(&request("application/json", body), &profile(Some(mapping.clone())));
    assert!(inspect("21.5").is_ok() && inspect("{").is_err());
}

#[test]
fn usual_keys_are_found_in_the_data_of_a_webhooks_envelope() {
    let body = r#"{"type": "reading.created", "timestamp": "2026-01-15T11:59:00Z", "data": {"device": "x", "temperature": 21}}"#;
    let decoded = decode(body, None);
    let rows: Vec<_> = decoded.readings.iter().map(|r| (&*r.device, &*r.channel, &*r.metric)).collect();
    assert_eq!(rows, [("x", "", "type"), ("x", "data", "temperature")]);
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:59:00Z");
    let not_alone = r#"{"meta": {}, "data": {"device": "x", "temperature": 21}}"#;
    assert_eq!(decode(not_alone, None).readings[0].device, "test");
}

#[test]
fn a_value_that_all_items_share_is_one_value() {
    let metric = MetricMapping { value: "^/many".into(), ..MetricMapping::default() };
    let mapping = Mapping {
        items: Some("/items".into()),
        device: vec!["^/gateway".into()],
        channel: Some("/port".into()),
        metrics: [("m".into(), metric)].into(),
        ..Mapping::default()
    };
    let body = |many: &str| {
        format!(r#"{{"gateway": "gw", "many": {many}, "items": [{{"port": 1}}, {{"port": 2}}]}}"#)
    };
    let decoded = decode(&body("7"), Some(mapping.clone()));
    assert_eq!(decoded.readings.iter().map(|r| &*r.device).collect::<Vec<_>>(), ["gw", "gw"]);
    let decoded = decode(&body("[7, 8]"), Some(mapping));
    assert_eq!(decoded.readings, []);
    assert_eq!(decoded.problems[1].reason, "expected one value for every item, found an array");
}

#[test]
fn one_bad_item_leaves_the_others_alone() {
    let decoded = decode(r#"[{"device": "a\u0000", "x": 1}, {"device": "b", "x": 2}, 3]"#, None);
    assert_eq!(decoded.readings.len(), 1);
    let problems: Vec<_> = decoded.problems.iter().map(|p| format!("{}: {}", p.place, p.reason)).collect();
    let expected = [
        "[0].device: the device's name holds a control character",
        "[2]: expected an object, found a number",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn lines_are_items() {
    let body = "{\"device\":\"a\",\"x\":1}\r\n\nnonsense\n{\"device\":\"b\",\"temp\":\"warm\"}\n";
    let decoded = decode_as("application/x-ndjson", body, None);
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["line 3", "line 4, temp"]);
}

#[test]
fn a_repeated_device_or_time_is_flagged_on_every_reading() {
    let decoded = decode(r#"{"device": "a", "x": 1, "device": "b"}"#, None);
    assert_eq!(decoded.readings[0].device, "b");
    assert_eq!(decoded.readings[0].flags, ["time_received", "duplicate_key"]);
}

#[test]
fn of_two_values_of_one_moment_the_last_is_stored_and_the_other_reported() {
    let body = r#"[{"device":"d","time":"2026-01-15T11:00:00Z","x":1,"y":5,"z":{"a":"on"}},
        {"device":"e","time":"2026-01-15T11:00:00Z","x":7},
        {"device":"d","time":"2026-01-15T11:00:00Z","x":2,"y":5,"z":{"a":"off"}},
        {"device":"d","time":"2026-01-15T11:00:00Z","x":3}]"#;
    let decoded = decode(body, None);
    let mut rows: Vec<_> = decoded
        .readings
        .iter()
        .map(|r| (r.device.as_str(), r.channel.as_str(), r.metric.as_str(), r.value.clone()))
        .collect();
    rows.sort_by_key(|row| (row.0, row.2));
    let expected = [
        ("d", "z", "a", Value::Text("off".into())),
        ("d", "", "x", Value::Number(3.0)),
        ("d", "", "y", Value::Number(5.0)),
        ("e", "", "x", Value::Number(7.0)),
    ];
    assert_eq!(rows, expected);
    let problems: Vec<_> = decoded.problems.iter().map(|p| (p.place.as_str(), p.reason.as_str())).collect();
    let expected = [
        ("x", "3 values of `d` at 2026-01-15T11:00:00Z: 1, ... 3; the last one is stored"),
        ("z.a", "2 values of `d` at 2026-01-15T11:00:00Z: `on`, `off`; the last one is stored"),
    ];
    assert_eq!(problems, expected);
}
