//! No JSON format panics on any JSON, with any mapping; what it keeps can be kept; reading it again gives the same.

use std::collections::{BTreeMap, HashSet};

use decoders::{Context, Mapping, MetricMapping, Options, Profile, all};
use event_model::name::is_printable;
use event_model::{RecordedRequest, Value};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// Keys that formats look for, and some that none does.
const KEYS: [&str; 83] = [
    "serialNumber",
    "recorded",
    "sensorUnits",
    "sensor",
    "createdAt",
    "reading",
    "device",
    "time",
    "temperature",
    "battery",
    "raw",
    "a/b",
    "",
    "nul\0",
    "Größe",
    "end_device_ids",
    "dev_eui",
    "device_id",
    "application_ids",
    "uplink_message",
    "uplink_normalized",
    "decoded_payload",
    "normalized_payload",
    "settings",
    "received_at",
    "air",
    "data",
    "deviceInfo",
    "devEui",
    "devEUI",
    "object",
    "objectJSON",
    "margin",
    "batteryLevel",
    "StatusSNS",
    "ENERGY",
    "Power",
    "TempUnit",
    "topic",
    "payload",
    "quality",
    "method",
    "params",
    "events",
    "event",
    "switch:0",
    "tC",
    "a_voltage",
    "tmp",
    "key",
    "value",
    "stringValue",
    "attributes",
    "asDouble",
    "timeUnixNano",
    "dataPoints",
    "quantileValues",
    "coreid",
    "published_at",
    "customData#temp",
    "seqNumber",
    "batt",
    "values",
    "voltage",
    "illuminance",
    "illuminance_lux",
    "power_l1",
    "type",
    "event",
    "result",
    "event_type",
    "trigger",
    "new_state",
    "entity_id",
    "state",
    "attributes",
    "device_class",
    "unit",
    "sensor.a",
    "sensordatavalues",
    "value_type",
    "value",
    "esp8266id",
];

const TEXTS: [&str; 16] = [
    "",
    "21.5",
    "30.11 °C",
    "007",
    "--",
    "NaN",
    "1e999",
    "warm",
    "70B3D57ED0000001",
    "2026-01-15T11:59:60Z",
    "0001-01-01T00:00:00Z",
    "{\"x\":[1]}",
    "x\0y",
    "tele/a/SENSOR",
    "gh\u{202e}7",
    "21 m\u{2066}",
];

const POINTERS: [&str; 8] = ["", "/", "/a~1b", "/device", "^/time", "/temperature/0", "/raw", "no pointer"];

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop::sample::select(TEXTS.as_slice()).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        let key = prop::sample::select(KEYS.as_slice()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..10).prop_map(Json::from),
            prop::collection::vec((key, inner), 0..8)
                .prop_map(|members| Json::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn any_mapping() -> impl Strategy<Value = Mapping> {
    let pointer = || prop::sample::select(POINTERS.as_slice()).prop_map(str::to_owned);
    let metric = (pointer(), prop::option::of(pointer()), prop::option::of(pointer())).prop_map(
        |(value, unit_at, channel)| MetricMapping { value, unit: Some("Far".into()), unit_at, channel },
    );
    (
        prop::option::of(pointer()),
        prop::collection::vec(pointer(), 0..3),
        prop::collection::vec(pointer(), 0..3),
        prop::option::of(pointer()),
        prop::option::of(metric),
    )
        .prop_map(|(items, device, time, message_id, metric)| Mapping {
            items,
            device,
            channel: message_id.clone(),
            time,
            message_id,
            metrics: metric
                .into_iter()
                .map(|metric| ("temperature".into(), metric))
                .collect::<BTreeMap<_, _>>(),
            missing: vec!["NA".into()],
            untyped_is_json: true,
        })
}

fn check(body: &Json, mapping: Option<Mapping>) -> Result<(), TestCaseError> {
    let request = RecordedRequest {
        method: "POST".into(),
        path: "/hooks/source".into(),
        query: "event=up".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into(),
    };
    let options = mapping.map(Options::new).unwrap_or_default();
    let profile = Profile { source: "source".into(), options, max_readings: 50, ..Profile::default() };
    let context = Context {
        raw_names: true,
        ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().expect("a time"))
    };
    for format in all() {
        let _ = format.inspect(&request, &profile);
        let Ok(decoded) = format.decode(&request, context) else { continue };
        let mut series_so_far = HashSet::new();
        for (sample, reading) in decoded.readings() {
            let raw = reading.raw_metric.as_deref().unwrap_or_default();
            let unit = reading.unit.as_deref().unwrap_or_default();
            let names: [&str; 4] = [&sample.device, &sample.channel, &reading.metric, unit];
            let are_printable = names.iter().all(|name| name.chars().all(is_printable));
            prop_assert!(are_printable && !raw.contains('\0'), "{}: {sample:?} {reading:?}", format.name());
            let kind = (format.name() == "freshet_readings").then(|| (unit, reading.value.kind()));
            let series = (&sample.device, &sample.channel, sample.observed_at, &reading.metric, kind);
            prop_assert!(series_so_far.insert(series), "{}: {series:?} twice", format.name());
            prop_assert!(!matches!(reading.value, Value::Number(number) if !number.is_finite()));
        }
        for problem in &decoded.problems {
            prop_assert!(!problem.place.contains('\0') && !problem.reason.contains('\0'), "{problem:?}");
        }
        prop_assert_eq!(Ok(decoded), format.decode(&request, context), "{}", format.name());
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused(body in any_json()) {
        check(&body, None)?;
    }

    #[test]
    fn any_mapping_of_any_json_is_taken_or_refused(body in any_json(), mapping in any_mapping()) {
        check(&body, Some(mapping))?;
    }

    #[test]
    fn any_values_in_the_columns_of_readings_are_taken_or_refused(
        kind in prop::sample::select(["number", "flag", "text", "bytes"].as_slice()),
        lines in prop::collection::vec((any_json(), any_json(), any_json()), 1..6),
    ) {
        let line = |(value, text, name): (Json, Json, Json)| {
            json!({"device": "d", "metric": "m", "observed_at": "2026-01-15T11:00:00Z", "kind": kind,
                   "value": value, "text": text, "unit": name})
        };
        check(&lines.into_iter().map(line).collect(), None)?;
    }

    #[test]
    fn any_values_in_the_envelopes_of_the_formats_are_taken_or_refused(values in any_json()) {
        check(&json!({"end_device_ids": {"device_id": "d"}, "uplink_message": {"decoded_payload": values, "settings": values}}), None)?;
        check(&json!({"end_device_ids": {"device_id": "d"}, "uplink_message": {"normalized_payload": [values]}}), None)?;
        check(&json!({"deviceInfo": {"devEui": "d"}, "object": values, "margin": values, "time": values}), None)?;
        check(&json!({"DevEUI_uplink": {"DevEUI": values, "payload": values, "points": values, "Time": values}}), None)?;
        check(&json!({"DevEUI": "d", "points": {"a": {"unitId": "GPS", "record": values}, "b": {"records": [values]}}}), None)?;
        check(&json!([{"webhookPushEvent": {"eventType": "DEVICE_DATA", "data": {"ts": values, "payload": values}}}]), None)?;
        check(&json!({"eventType": "DEVICE_DATA", "data": {"tslId": "history", "payload": {"history": values, "a": values}}}), None)?;
        check(&json!({"devEUI": values, "time": values, "fPort": 1, "x": values}), None)?;
        check(&json!({"subscriptionId": "s", "data": [values, {"id": values, "a": values, "dateObserved": values}]}), None)?;
        check(&json!({"subscriptionId": "s", "data": [{"id": "e", "a": {"value": values, "unitCode": values, "observedAt": values, "metadata": values}}]}), None)?;
        check(&json!({"subscriptionId": "s", "data": values, "contextResponses": values}), None)?;
        check(&json!({"contextResponses": [{"contextElement": {"id": "e", "attributes": [{"name": "a", "value": values, "metadatas": values}]}}]}), None)?;
        check(&json!({"cmd": "rx", "EUI": values, "decoded": values, "gws": [values], "ts": values}), None)?;
        check(&json!({"event_type": "state_changed", "data": {"entity_id": "a.b", "new_state": values}, "context": values}), None)?;
        check(&json!([[{"entity_id": "a.b", "state": "1", "attributes": values}, {"state": values}, values]]), None)?;
        check(&json!({"esp8266id": values, "sensordatavalues": [{"value_type": "SDS_P1", "value": values}, values]}), None)?;
        check(&json!({"Time": values, "ENERGY": values, "TempUnit": "F"}), None)?;
        check(&json!({"src": "d", "method": "NotifyStatus", "params": {"ts": values, "switch:0": values, "em:0": values}}), None)?;
        let metrics = json!([{"name": "m", "gauge": {"dataPoints": [values]}, "summary": values, "histogram": {"dataPoints": values}}]);
        check(&json!({"resourceMetrics": [{"resource": values, "scopeMetrics": [{"metrics": metrics}]}]}), None)?;
        check(&json!({"coreid": "d", "event": "a/temp", "data": values}), None)?;
        check(&json!({"coreid": "d", "event": values, "data": values.to_string(), "published_at": values}), None)?;
        check(&json!({"src": "d", "method": "NotifyEvent", "params": {"events": [values]}}), None)?;
        check(&json!({"mac": "d", "unixtime": 1, "meters": values, "tmp": values, "relays": [values]}), None)?;
    }
}
