use event_model::RecordedRequest;

use super::AzureEventGrid;
use crate::decode::{Context, FormError, Handshake, Profile};
use crate::format::Decoder as _;
use crate::mapping::Mapping;
use crate::options::Options;
use crate::testing::Decoded;

fn post(content_type: &str, body: &str) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_owned().into(),
        ..RecordedRequest::default()
    }
}

fn decode(request: &RecordedRequest) -> Decoded {
    let profile = Profile { source: "s".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    AzureEventGrid
        .decode(request, Context { raw_names: true, ..Context::new(&profile, received_at) })
        .unwrap()
        .into()
}

fn telemetry(body: &str) -> String {
    format!(
        r#"{{"id":"e1","subject":"devices/by-subject","eventType":"Microsoft.Devices.DeviceTelemetry",
            "eventTime":"2026-01-15T11:00:01Z","data":{{"body":{body},"properties":{{"room":"north"}},
            "systemProperties":{{"iothub-connection-device-id":"d1","iothub-enqueuedtime":"2026-01-15T11:00:00.48Z"}}}}}}"#
    )
}

#[test]
fn telemetry_is_of_the_device_that_iot_hub_authenticated() {
    let decoded = decode(&post("application/json", &format!("[{}]", telemetry(r#"{"temperature":21.5}"#))));
    let reading = &decoded.readings[0];
    assert_eq!((reading.device.as_str(), reading.metric.as_str()), ("d1", "temperature"));
    assert_eq!(reading.observed_at.to_string(), "2026-01-15T11:00:00.48Z");
    assert_eq!(decoded.tags, [("d1".into(), "room".into(), "north".into())]);
}

#[test]
fn a_body_in_base64_is_decoded() {
    // {"humidity":40}
    let decoded = decode(&post("application/json", &format!("[{}]", telemetry(r#""eyJodW1pZGl0eSI6NDB9""#))));
    assert_eq!(decoded.readings[0].metric, "relative_humidity");
}

#[test]
fn a_message_of_properties_alone_has_no_reading() {
    let decoded = decode(&post("application/json", &format!("[{}]", telemetry(r#""""#))));
    assert_eq!((decoded.readings.len(), decoded.problems.len(), decoded.tags.len()), (0, 0, 1));
}

#[test]
fn a_body_that_is_neither_json_nor_base64_is_a_problem_of_its_event() {
    let body = format!("[{},{}]", telemetry(r#""not base64!""#), telemetry(r#"{"temperature":1}"#));
    let decoded = decode(&post("application/json", &body));
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.problems[0].place, "event 1: data.body");
}

#[test]
fn the_validation_is_a_handshake() {
    let body = r#"[{"id":"1","subject":"","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime":"2026-01-15T11:00:00Z","data":{"validationCode":"512d","validationUrl":"https://example.com"}}]"#;
    let inspection = AzureEventGrid.inspect(&post("application/json", body), &Profile::default()).unwrap();
    assert_eq!(inspection.handshake, Some(Handshake::EventGrid { code: "512d".into() }));
}

#[test]
fn the_cloudevents_schema_says_the_same() {
    let body = telemetry(r#"{"temperature":21.5}"#)
        .replace("eventType", "type")
        .replace("eventTime", "time")
        .replace(r#""id":"e1""#, r#""id":"e1","specversion":"1.0","source":"/hub""#);
    let decoded = decode(&post("application/cloudevents+json", &body));
    assert_eq!(decoded.readings[0].device, "d1");
    assert_eq!(decoded, decode(&post("application/cloudevents-batch+json", &format!("[{body}]"))));
}

#[test]
fn a_cloudevent_is_one_under_any_content_type_and_whatever_its_source_is() {
    let body = telemetry(r#"{"temperature":21.5}"#)
        .replace("eventType", "type")
        .replace("eventTime", "time")
        .replace(r#""id":"e1""#, r#""id":"e1","specversion":"1.0","source":"/RESOURCEGROUPS/<my group>""#);
    for content_type in [
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json; charset=utf-8",
    ] {
        let request = post(content_type, &format!("[{body}]"));
        let inspection = AzureEventGrid.inspect(&request, &Profile::default()).unwrap();
        assert_eq!(
            (inspection.device.as_deref(), inspection.message_id.as_deref()),
            (Some("d1"), Some("e1"))
        );
        assert_eq!(decode(&request).readings.len(), 1, "{content_type}");
    }
    let encoded = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json",
        "data_base64":"eyJodW1pZGl0eSI6NDB9"}"#;
    assert_eq!(
        decode(&post("application/cloudevents+json", encoded)).readings[0].metric,
        "relative_humidity"
    );
    let older = post("application/cloudevents+json", &encoded.replace("1.0", "0.3"));
    assert_eq!(decode(&older).problems[0].reason, "the specversion is not 1.0");
}

#[test]
fn binary_data_without_a_content_type_is_json_only_where_the_mapping_says_so() {
    let structured =
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"eyJodW1pZGl0eSI6NDB9"}"#;
    let attributes = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    let binary = RecordedRequest {
        method: "POST".into(),
        headers: attributes.map(|(name, value)| (name.into(), value.into())).to_vec(),
        body: r#"{"humidity":40}"#.into(),
        ..RecordedRequest::default()
    };
    for request in [post("application/cloudevents+json", structured), binary] {
        assert_eq!(decode(&request), Decoded::default());
        let mapping = Mapping { untyped_is_json: true, ..Mapping::default() };
        let profile = Profile { source: "s".into(), options: Options::new(mapping), ..Profile::default() };
        let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
        let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
        let decoded: Decoded = AzureEventGrid.decode(&request, context).unwrap().into();
        assert_eq!(decoded.readings[0].metric, "relative_humidity");
    }
}

#[test]
fn events_of_azures_services_are_taken_without_readings() {
    let blob = r#"[{"id":"1","subject":"/blobServices/default","eventType":"Microsoft.Storage.BlobCreated","data":{"contentLength":524288}}]"#;
    assert_eq!(decode(&post("application/json", blob)), Decoded::default());
    let body = r#"[{"id":"1","subject":"devices/a","eventType":"Microsoft.Devices.DeviceConnected","data":{"n":1}}]"#;
    let request = post("application/json", body);
    let inspection = AzureEventGrid.inspect(&request, &Profile::default()).unwrap();
    assert_eq!((inspection.device.as_deref(), inspection.message_id.as_deref()), (Some("a"), Some("1")));
    assert_eq!(decode(&request), Decoded::default());
}

#[test]
fn what_is_no_delivery_is_refused() {
    let inspect = |content_type, body| AzureEventGrid.inspect(&post(content_type, body), &Profile::default());
    for body in ["", "7", "[]", "[7]", r#"[{"id":"1"}]"#, "[{"] {
        assert!(matches!(inspect("application/json", body), Err(FormError::Malformed(_))), "{body}");
    }
    assert!(matches!(inspect("text/plain", "[]"), Err(FormError::UnsupportedMediaType { .. })));
}
