use event_model::{RecordedRequest, Value};

use super::Loriot;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(body: &str) -> RecordedRequest {
    let head = "POST /hooks/city HTTP/1.1\ncontent-type: application/json\n\n";
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode(body: &str) -> Decoded {
    let profile = Profile { source: "city".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    Loriot.decode(&request(body), context).unwrap_or_else(|error| error.0.into()).into()
}

fn inspect(body: &str) -> Inspection {
    Loriot.inspect(&request(body), &Profile::default()).unwrap()
}

/// A frame as `rx` or `gw` has it; `more` are further members.
fn frame(cmd: &str, more: &str) -> String {
    format!(
        r#"{{"cmd":"{cmd}","seqno":7,"EUI":"A81758FFFE03CFE0","ts":1768478340250,"fcnt":3,"port":5,"freq":868300000,
            "rssi":-70,"snr":9,"dr":"SF7 BW125 4/5","ack":false,"bat":143,"data":"0100e2"{more}}}"#
    )
}

#[test]
fn a_raw_frame_gives_no_reading_and_no_problem() {
    for body in [
        frame("rx", ""),
        frame("gw", r#","gws":[{"rssi":-38,"snr":8.5,"ts":1768478340250,"gweui":"10"}]"#),
        frame("rx", r#","decoded":null"#),
        frame("rx", r#","decoded":{"data":{}}"#),
        frame("rx", r#","decoded":{"data":null,"errors":[],"warnings":["x"]}"#),
        frame("rx", "").replace(r#""data":"0100e2""#, r#""encdata":"ffee""#),
    ] {
        assert_eq!(decode(&body), Decoded::default(), "{body}");
        assert_eq!(inspect(&body).device.as_deref(), Some("a81758fffe03cfe0"), "{body}");
    }
}

#[test]
fn what_a_codec_decoded_is_read_wherever_it_stands() {
    let values = r#"{"temperature":22.6,"humidity":"41 %","rssi":-3}"#;
    for more in [
        format!(r#","decoded":{{"data":{values},"errors":[],"warnings":[]}}"#),
        format!(r#","decoded":{values}"#),
        format!(r#","object":{values}"#),
    ] {
        for cmd in ["rx", "gw"] {
            let decoded = decode(&frame(cmd, &more));
            let rows: Vec<_> = decoded
                .readings
                .iter()
                .map(|r| (&*r.metric, r.value.clone(), r.unit.as_deref(), r.observed_at.to_string()))
                .collect();
            let at = "2026-01-15T11:59:00.25Z".to_owned();
            let expected = [
                ("temperature", Value::Number(22.6), Some("Cel"), at.clone()),
                ("relative_humidity", Value::Number(41.0), Some("%RH"), at),
            ];
            assert_eq!(rows, expected, "{more}");
            assert_eq!(decoded.problems, []);
        }
    }
}

#[test]
fn a_codec_that_failed_is_a_problem() {
    let decoded = decode(&frame("rx", r#","decoded":{"data":null,"errors":["unknown port"]}"#));
    assert_eq!(decoded.problems[0].place, "decoded");
    assert_eq!(decoded.problems[0].reason, "the codec failed: unknown port");
    let decoded = decode(&frame("rx", r#","decoded":[1]"#));
    assert_eq!(decoded.problems[0].reason, "expected an object, found an array");
    let decoded = decode(&frame("rx", r#","decoded":{"data":{"temperature":"warm","co2":400}}"#));
    assert_eq!(decoded.problems[0].place, "decoded.data.temperature");
    assert_eq!(decoded.readings.len(), 1);
}

#[test]
fn the_frame_has_one_id_in_both_of_its_messages() {
    let gateways = r#","gws":[{"rssi":-38}]"#;
    let (rx, gw) = (inspect(&frame("rx", "")), inspect(&frame("gw", gateways)));
    assert_eq!(rx.message_id.as_deref(), Some("a81758fffe03cfe0/3/5"));
    assert_eq!((&rx.message_id, rx.content), (&gw.message_id, gw.content));
    // The counter began anew, or the codec was added in between.
    let restarted = inspect(&frame("rx", "").replace(r#""seqno":7"#, r#""seqno":900"#));
    assert_ne!(rx.content, restarted.content);
    assert_ne!(rx.content, inspect(&frame("rx", r#","decoded":{"data":{"x":1}}"#)).content);
    assert_eq!(inspect(&frame("rx", "").replace(r#""fcnt":3,"#, "")).message_id, None);
}

#[test]
fn other_messages_are_taken_and_give_no_reading() {
    for body in [
        r#"{"cmd":"txd","EUI":"A81758FFFE03CFE0","seqdn":3236,"seqq":3236,"ts":1768478340250}"#,
        r#"{"cmd":"gwloc","EUI":"A81758FFFE03CFE0","ts":1768478340250,"lat":50.1,"lon":8.6}"#,
        r#"{"cmd":"join","EUI":"A81758FFFE03CFE0","object":{"temperature":1}}"#,
    ] {
        assert_eq!(decode(body), Decoded::default(), "{body}");
        assert_eq!(inspect(body).message_id, None);
    }
}

#[test]
fn a_frame_without_a_time_or_a_device_is_still_read() {
    let object = r#""object":{"temperature":1}"#;
    let decoded = decode(&format!(r#"{{"cmd":"rx",{object}}}"#));
    assert_eq!(decoded.readings[0].device, "city");
    assert_eq!(decoded.readings[0].flags, ["time_received", "assumed_unit"]);
    let body = format!(r#"{{"cmd":"gw","EUI":"x-1","gws":[{{"time":"2026-01-15T11:58:00Z"}}],{object}}}"#);
    let decoded = decode(&body);
    assert_eq!(decoded.readings[0].device, "x-1");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:58:00Z");
    let decoded = decode(&frame("rx", &format!(",{object}")).replace("1768478340250", "0"));
    assert_eq!(decoded.readings[0].flags, ["time_implausible", "assumed_unit"]);
}

#[test]
fn what_is_no_message_of_loriot_is_refused() {
    let refused = |body: &str| Loriot.inspect(&request(body), &Profile::default()).unwrap_err();
    for body in ["{}", r#"{"cmd":7}"#, r#"{"EUI":"A81758FFFE03CFE0"}"#, "[]"] {
        assert!(matches!(refused(body), FormError::Unprocessable(_)), "{body}");
    }
    assert!(matches!(refused("{"), FormError::Malformed(_)));
    let form = RecordedRequest::parse(b"POST / HTTP/1.1\ncontent-type: text/plain\n\n{}").unwrap();
    assert!(matches!(
        Loriot.inspect(&form, &Profile::default()),
        Err(FormError::UnsupportedMediaType { .. })
    ));
}
