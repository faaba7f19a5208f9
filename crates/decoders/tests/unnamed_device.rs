//! What names no device is of the one that the record around the payload names, in every format.

use decoders::{Context, Decoded, Profile};
use event_model::RecordedRequest;
use jiff::Timestamp;

/// A payload of each format that may name no device, without one.
const UNNAMED: [(&str, &str, &str); 24] = [
    ("json", "application/json", r#"[{"temperature":21.5},{"relative_humidity":52}]"#),
    ("aws_iot_http", "application/json", r#"{"temperature":21.5}"#),
    ("ttn_v3", "application/json", r#"{"uplink_message":{"decoded_payload":{"temperature":21.5}}}"#),
    ("chirpstack_v4", "application/json", r#"{"deviceInfo":{},"object":{"temperature":21.5}}"#),
    ("actility_thingpark", "application/json", r#"{"DevEUI_uplink":{"payload":{"temperature":21.5}}}"#),
    ("milesight", "application/json", r#"{"fPort":85,"object":{"temperature":21.5}}"#),
    (
        "milesight",
        "application/json",
        r#"[{"webhookPushEvent":{"eventType":"DEVICE_DATA","data":{"payload":{"temperature":21.5}}}}]"#,
    ),
    ("loriot", "application/json", r#"{"cmd":"rx","decoded":{"data":{"temperature":21.5}}}"#),
    ("ngsi", "application/json", r#"{"subscriptionId":"1","data":[{"temperature":21.5}]}"#),
    ("influx_line_protocol", "text/plain", "weather temperature=21.5\n"),
    ("ecowitt", "application/x-www-form-urlencoded", "tempf=70.7&dateutc=now"),
    ("ambient_weather", "application/x-www-form-urlencoded", "tempf=70.7&dateutc=now"),
    ("tasmota", "application/json", r#"{"Time":"2026-01-15T12:00:00","AM2301":{"Temperature":21.5}}"#),
    ("shelly", "application/json", r#"{"temperature:0":{"id":0,"tC":21.5}}"#),
    ("otlp_metrics", "application/json", OTLP),
    ("particle", "application/x-www-form-urlencoded", "event=temp&data=21.5"),
    ("sigfox", "application/json", r#"{"time":0,"temp":"21.5"}"#),
    ("zigbee2mqtt", "application/json", r#"{"temperature":21.5}"#),
    ("home_assistant", "application/json", r#"{"state":"21.5"}"#),
    (
        "sensor_community",
        "application/json",
        r#"{"sensordatavalues":[{"value_type":"temperature","value":"21.5"}]}"#,
    ),
    ("airthings", "application/json", r#"{"data":[{"temp":21.5}]}"#),
    ("opensensemap", "application/json", r#"{"5386026e5f08822009b8b610":"21.5"}"#),
    ("azure_event_grid", "application/json", AZURE),
    (
        "freshet_readings",
        "application/json",
        r#"{"metric":"m","observed_at":"1970-01-01T00:00:00Z","kind":"flag","value":1}"#,
    ),
];

const OTLP: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"room.temperature",
    "gauge":{"dataPoints":[{"asDouble":21.5}]}}]}]}]}"#;

const AZURE: &str = r#"[{"id":"1","eventType":"plant.reading","subject":"","eventTime":"2026-01-15T12:00:00Z",
    "dataVersion":"1","data":{"temperature":21.5}}]"#;

fn decode((format, content_type, body): (&str, &str, &str), device: Option<&str>) -> Decoded {
    let profile = Profile { source: "floor".into(), ..Profile::default() };
    let request = RecordedRequest {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_owned().into(),
    };
    let received_at = Timestamp::UNIX_EPOCH;
    let context = Context { device, ..Context::new(&profile, received_at) };
    let format = decoders::by_name(format).expect("the format is built in");
    format.decode(&request, context).unwrap_or_else(|error| error.0.into())
}

#[test]
fn the_record_names_the_device_where_the_payload_names_none() {
    for payload in UNNAMED {
        for (device, wanted) in [(None, "floor"), (Some(" Pru\u{308}fstand"), "Pr\u{fc}fstand")] {
            let decoded = decode(payload, device);
            assert!(!decoded.samples.is_empty() && decoded.problems.is_empty(), "{payload:?}: {decoded:?}");
            for sample in &decoded.samples {
                assert_eq!(sample.device, wanted, "{payload:?}");
            }
        }
    }
}

#[test]
fn a_record_that_names_none_either_is_a_problem() {
    for payload in UNNAMED {
        let decoded = decode(payload, Some("m\n7"));
        assert!(decoded.samples.is_empty(), "{payload:?}: {decoded:?}");
        let problem = decoded.problems.first().expect("there is one");
        assert!(
            problem
                .reason
                .ends_with("key or header names no device: the device's name holds a control character")
        );
    }
}
