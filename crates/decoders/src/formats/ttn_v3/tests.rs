use event_model::{Quality, RecordedRequest, Value};

use super::TtnV3;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

const IDS: &str = r#""end_device_ids":{"device_id":"gh-1","dev_eui":"70B3D57ED0000001","application_ids":{"application_id":"farm"}}"#;

fn request(body: &str) -> RecordedRequest {
    RecordedRequest::parse(
        format!("POST /hooks/ttn HTTP/1.1\ncontent-type: application/json\n\n{body}").as_bytes(),
    )
    .unwrap()
}

fn inspect(body: &str) -> Result<Inspection, FormError> {
    TtnV3.inspect(&request(body), &Profile::default())
}

fn decode(body: &str) -> Decoded {
    let profile = Profile { source: "ttn".into(), ..Profile::default() };
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    TtnV3.decode(&request(body), context).unwrap().into()
}

fn uplink(fields: &str) -> String {
    format!(r#"{{{IDS},"received_at":"2026-01-15T11:00:02Z","uplink_message":{{{fields}}}}}"#)
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value, Option<&str>)> {
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

#[test]
fn decoded_values_become_readings_of_the_device() {
    let decoded = decode(&uplink(
        r#""f_port":1,"frm_payload":"AQ==","decoded_payload":{"temp":"21.5 °C","BatV":3.1,"TempC_DS18B20":4,"rssi":-3}"#,
    ));
    assert_eq!(decoded.readings[0].device, "70b3d57ed0000001");
    let expected = [
        ("", "temperature", Value::Number(21.5), Some("Cel")),
        ("", "battery_voltage", Value::Number(3.1), Some("V")),
        ("DS18B20", "temperature", Value::Number(4.0), Some("Cel")),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn the_gateways_time_goes_before_the_servers() {
    let at = |fields: &str| {
        decode(&uplink(&format!(r#"{fields}"decoded_payload":{{"x":1}}"#))).readings[0]
            .observed_at
            .to_string()
    };
    let gateway = r#""settings":{"time":"2026-01-15T11:00:00Z"},"#;
    let network = r#""received_at":"2026-01-15T11:00:01.123456789Z","#;
    assert_eq!(at(&format!("{gateway}{network}")), "2026-01-15T11:00:00Z");
    assert_eq!(at(network), "2026-01-15T11:00:01.123456Z");
    assert_eq!(at(""), "2026-01-15T11:00:02Z");
}

#[test]
fn the_normalised_payload_wins_over_the_formatters_own() {
    let decoded = decode(&uplink(
        r#""frm_payload":"AQ==","decoded_payload":{"temperature":700,"door":"open"},
           "normalized_payload":[{"time":"2026-01-15T10:00:00Z","air":{"temperature":21},"soil":{"ec":1.5},"wind":{"speed":2}}]"#,
    ));
    let expected = [
        ("", "door", Value::Text("open".into()), None),
        ("air", "temperature", Value::Number(21.0), Some("Cel")),
        ("soil", "soil_ec", Value::Number(1500.0), Some("uS/cm")),
        ("wind", "wind_speed", Value::Number(2.0), Some("m/s")),
    ];
    assert_eq!(rows(&decoded), expected);
    assert_eq!(decoded.readings[1].observed_at.to_string(), "2026-01-15T10:00:00Z");
    assert_eq!(decoded.readings[1].raw_metric, "normalized_payload[0].air.temperature");
}

#[test]
fn a_probe_beside_the_normalised_payload_is_kept() {
    let decoded = decode(&uplink(
        r#""frm_payload":"AQ==","decoded_payload":{"TempC_SHT":21,"TempC_DS18B20":4},
           "normalized_payload":[{"air":{"temperature":21}}]"#,
    ));
    let expected = [
        ("DS18B20", "temperature", Value::Number(4.0), Some("Cel")),
        ("air", "temperature", Value::Number(21.0), Some("Cel")),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn several_measurements_of_one_frame_are_told_apart_by_time_or_index() {
    let decoded = decode(&uplink(
        r#""frm_payload":"AQ==","normalized_payload":[{"air":{"temperature":10}},{"air":{"temperature":11}},
           {"time":"2026-01-15T10:00:00Z","air":{"temperature":12}}]"#,
    ));
    let channels: Vec<_> = decoded.readings.iter().map(|reading| reading.channel.as_str()).collect();
    assert_eq!(channels, ["air", "air.1", "air"]);
    assert_ne!(decoded.readings[0].observed_at, decoded.readings[2].observed_at);
}

#[test]
fn a_normalised_message_alone_is_one_measurement() {
    let body = format!(
        r#"{{{IDS},"uplink_normalized":{{"normalized_payload":{{"battery":3.2,"air":{{"relativeHumidity":40}}}}}}}}"#
    );
    let decoded = decode(&body);
    assert_eq!(rows(&decoded)[0], ("", "battery_voltage", Value::Number(3.2), Some("V")));
    assert_eq!(rows(&decoded)[1], ("air", "relative_humidity", Value::Number(40.0), Some("%RH")));
}

#[test]
fn a_text_for_a_quantity_is_a_problem_at_its_place() {
    let decoded = decode(&uplink(r#""decoded_payload":{"temperature":"warm","humidity":40}"#));
    assert_eq!(decoded.readings.len(), 1);
    let problem = &decoded.problems[0];
    assert_eq!(
        format!("{}: {}", problem.place, problem.reason),
        "uplink_message.decoded_payload.temperature: expected a number, found a string"
    );
}

#[test]
fn simulated_and_empty_frames_are_doubtful() {
    let simulated = format!(
        r#"{{{IDS},"simulated":true,"uplink_message":{{"frm_payload":"AQ==","decoded_payload":{{"x":1}}}}}}"#
    );
    let empty = uplink(r#""frm_payload":"","decoded_payload":{"temperature":-32}"#);
    let left_out = uplink(
        r#""rx_metadata":[{}],"settings":{"frequency":"868100000"},"decoded_payload":{"temperature":-32}"#,
    );
    for (body, flag) in
        [(simulated, "simulated"), (empty, "empty_frm_payload"), (left_out, "empty_frm_payload")]
    {
        let reading = &decode(&body).readings[0];
        assert_eq!(reading.quality, Quality::Uncertain);
        assert!(reading.flags.contains(&flag), "{flag}");
    }
}

#[test]
fn session_keys_are_taken_out() {
    let key = r#""app_s_key":{"key":"c2VjcmV0","kek_label":""}"#;
    for body in [uplink(&format!(r#"{key},"f_cnt":7"#)), format!(r#"{{{IDS},"join_accept":{{{key}}}}}"#)] {
        let mut request = request(&body);
        TtnV3.redact(&mut request);
        let clean = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(!clean.contains("c2VjcmV0"), "{clean}");
        assert!(TtnV3.inspect(&request, &Profile::default()).is_ok());
    }
    let mut untouched = request(&uplink(r#""f_cnt": 7"#));
    let before = untouched.clone();
    TtnV3.redact(&mut untouched);
    assert_eq!(untouched, before);
}

#[test]
fn messages_without_values_give_no_reading() {
    for message in [
        r#""join_accept":{}"#,
        r#""downlink_ack":{}"#,
        r#""location_solved":{"location":{"latitude":1}}"#,
        r#""uplink_message":{"f_port":1,"frm_payload":"AQ=="}"#,
    ] {
        let body = format!("{{{IDS},{message}}}");
        assert!(inspect(&body).is_ok());
        assert_eq!(decode(&body), Decoded::default(), "{message}");
    }
}

#[test]
fn the_frames_id_is_equal_for_a_re_send_and_no_other() {
    let id = |body: &str| inspect(body).unwrap().message_id;
    let correlated =
        format!(r#"{{{IDS},"correlation_ids":["as:up:1","gs:uplink:2"],"uplink_message":{{}}}}"#);
    assert_eq!(id(&correlated).as_deref(), Some("gs:uplink:2"));
    let session = uplink(r#""session_key_id":"AXA=","f_cnt":7"#);
    assert_eq!(id(&session).as_deref(), Some("70b3d57ed0000001/AXA=/7"));
    assert_eq!(id(&uplink(r#""session_key_id":"AXA=""#)).as_deref(), Some("70b3d57ed0000001/AXA=/0"));
    assert_eq!(id(&uplink(r#""f_cnt":7"#)), None);
    let ack = format!(r#"{{{IDS},"correlation_ids":["gs:uplink:2"],"downlink_ack":{{}}}}"#);
    assert_eq!(id(&ack), None);
}

#[test]
fn what_a_console_or_the_storage_integration_wraps_is_unwrapped() {
    let inner = uplink(r#""decoded_payload":{"temperature":"warm"}"#);
    let event = format!(r#"{{"name":"as.up.data.forward","identifiers":[],"data":{inner}}}"#);
    assert_eq!(inspect(&event).unwrap().device.as_deref(), Some("70b3d57ed0000001"));
    assert_eq!(decode(&event).problems[0].place, "data.uplink_message.decoded_payload.temperature");
    assert!(inspect(&format!(r#"{{"result":{inner}}}"#)).is_ok());
}

#[test]
fn without_an_eui_the_device_is_named_within_its_application_else_it_is_the_source() {
    let body = r#"{"end_device_ids":{"device_id":"d","application_ids":{"application_id":"a"}},"uplink_message":{"decoded_payload":{"x":1}}}"#;
    assert_eq!(decode(body).readings[0].device, "a/d");
    assert_eq!(decode(r#"{"uplink_message":{"decoded_payload":{"x":1}}}"#).readings[0].device, "ttn");
    assert!(matches!(inspect(r#"{"temperature":1}"#), Err(FormError::Unprocessable(_))));
    assert!(matches!(inspect("[]"), Err(FormError::Unprocessable(_))));
}
