use event_model::{RecordedRequest, Value};

use super::ChirpstackV4;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

const HEAD: &str = r#""deduplicationId":"m-1","time":"2026-01-15T11:00:00.123456789+00:00","deviceInfo":{"devEui":"70B3D57ED0000001","tags":{"room":"7"}}"#;

fn request(target: &str, body: &str) -> RecordedRequest {
    let head = format!("POST {target} HTTP/1.1\ncontent-type: application/json\n\n");
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode(target: &str, body: &str) -> Decoded {
    let profile = Profile { source: "cs".into(), ..Profile::default() };
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    ChirpstackV4.decode(&request(target, body), context).unwrap().into()
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value)> {
    decoded.readings.iter().map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone())).collect()
}

#[test]
fn the_codecs_object_becomes_readings() {
    let body = format!(
        r#"{{{HEAD},"fPort":2,"object":{{"Temperature":21.5,"Valve":"1","Status":"00000101","Battery":null,"probes":[{{"temp":1}}]}}}}"#
    );
    for target in ["/hooks/cs?event=up", "/hooks/cs"] {
        let decoded = decode(target, &body);
        let expected = [
            ("", "temperature", Value::Number(21.5)),
            ("", "valve", Value::Number(1.0)),
            ("", "status", Value::Text("00000101".into())),
            ("probes.0", "temperature", Value::Number(1.0)),
        ];
        assert_eq!(rows(&decoded), expected);
        assert_eq!(decoded.readings[0].device, "70b3d57ed0000001");
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00.123456Z");
        assert_eq!(decoded.tags, [("70b3d57ed0000001".into(), "room".into(), "7".into())]);
    }
}

#[test]
fn without_the_query_an_object_tells_of_an_uplink() {
    let up = format!(r#"{{{HEAD},"object":{{"x":1}}}}"#);
    assert_eq!(rows(&decode("/hooks/cs", &up)), [("", "x", Value::Number(1.0))]);
    let integration = format!(r#"{{{HEAD},"integrationName":"loracloud","object":{{"x":1}}}}"#);
    assert_eq!(rows(&decode("/hooks/cs", &integration)), []);
}

#[test]
fn a_status_gives_margin_and_battery_unless_the_device_has_a_plug() {
    let battery = format!(r#"{{{HEAD},"margin":10,"batteryLevel":88.3}}"#);
    let expected = [("", "link_margin", Value::Number(10.0)), ("", "battery_level", Value::Number(88.3))];
    assert_eq!(rows(&decode("/hooks/cs?event=status", &battery)), expected);
    for reason in ["externalPowerSource", "batteryLevelUnavailable"] {
        let plug = format!(r#"{{{HEAD},"margin":10,"{reason}":true,"batteryLevel":0}}"#);
        assert_eq!(rows(&decode("/hooks/cs", &plug)), expected[..1]);
    }
}

#[test]
fn other_events_give_no_reading() {
    for event in ["join", "ack", "txack", "log", "location", "integration"] {
        let body = format!(r#"{{{HEAD},"object":{{"x":1}},"location":{{"latitude":110.0}}}}"#);
        assert_eq!(decode(&format!("/hooks/cs?event={event}"), &body).readings, [], "{event}");
    }
}

#[test]
fn the_shape_of_version_3_is_read() {
    let body = r#"{"devEUI":"cLPVftAAAAE=","rxInfo":[{"time":null},{"time":"2026-01-15T11:00:00Z"}],
        "objectJSON":"{\"temperatureSensor\":{\"1\":21.5}}"}"#;
    let decoded = decode("/hooks/cs?event=up", body);
    assert_eq!(rows(&decoded), [("1", "temperature", Value::Number(21.5))]);
    assert_eq!(decoded.readings[0].device, "70b3d57ed0000001");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00Z");
    let broken = decode("/hooks/cs?event=up", r#"{"devEUI":"cLPVftAAAAE=","objectJSON":"{"}"#);
    assert_eq!(broken.problems[0].place, "objectJSON");
}

#[test]
fn the_network_servers_time_counts_where_the_gateways_clock_is_wrong() {
    let at = |time: &str| {
        let body = format!(
            r#"{{"time":"{time}","deviceInfo":{{"devEui":"70b3d57ed0000001"}},"object":{{"x":1}},
                "rxInfo":[{{"gatewayId":"a"}},{{"nsTime":"2026-01-15T11:00:00Z"}}]}}"#
        );
        let decoded = decode("/hooks/cs?event=up", &body);
        assert!(decoded.readings[0].flags.is_empty());
        decoded.readings[0].observed_at.to_string()
    };
    assert_eq!(at("1980-01-21T23:17:20.234Z"), "2026-01-15T11:00:00Z");
    assert_eq!(at("2012-01-01T00:03:10.100Z"), "2026-01-15T11:00:00Z");
    assert_eq!(at("2026-01-15T10:59:59Z"), "2026-01-15T10:59:59Z");
}

#[test]
fn values_that_a_device_measured_before_have_their_own_times() {
    let body = format!(
        r#"{{{HEAD},"object":{{"temperature":21.5,"history":[{{"timestamp":1768471200,"temperature":35.2}}]}}}}"#
    );
    let decoded = decode("/hooks/cs?event=up", &body);
    let temperature = |value| ("", "temperature", Value::Number(value));
    assert_eq!(rows(&decoded), [temperature(21.5), temperature(35.2)]);
    assert_eq!(decoded.readings[1].observed_at.to_string(), "2026-01-15T10:00:00Z");
}

#[test]
fn session_keys_are_taken_out() {
    let context = r#""joinServerContext":{"sessionKeyId":"x","appSKey":{"kekLabel":"","aesKey":"c2VjcmV0"}}"#;
    let mut request = request("/hooks/cs?event=up", &format!(r#"{{{HEAD},{context}}}"#));
    ChirpstackV4.redact(&mut request);
    assert!(!String::from_utf8_lossy(&request.body).contains("c2VjcmV0"));
    assert!(ChirpstackV4.inspect(&request, &Profile::default()).is_ok());
}

#[test]
fn what_is_no_event_is_refused() {
    let inspect =
        |body: &str| ChirpstackV4.inspect(&request("/hooks/cs?event=up", body), &Profile::default());
    assert!(matches!(inspect("{}"), Err(FormError::Unprocessable(_))));
    assert!(matches!(inspect("{"), Err(FormError::Malformed(_))));
    let inspection = inspect(&format!("{{{HEAD}}}")).unwrap();
    assert_eq!(inspection.device.as_deref(), Some("70b3d57ed0000001"));
    assert_eq!(inspection.message_id.as_deref(), Some("m-1"));
}

#[test]
fn an_object_of_another_type_is_a_problem() {
    let decoded = decode("/hooks/cs?event=up", &format!(r#"{{{HEAD},"object":[1]}}"#));
    assert_eq!(decoded.problems[0].reason, "expected an object, found an array");
}
