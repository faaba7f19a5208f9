use event_model::{RecordedRequest, Value};

use super::Milesight;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(body: &str) -> RecordedRequest {
    let head = "POST /hooks/house HTTP/1.1\ncontent-type: application/json\n\n";
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode(body: &str) -> Decoded {
    let profile = Profile { source: "house".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    Milesight.decode(&request(body), context).unwrap_or_else(|error| error.0.into()).into()
}

fn inspect(body: &str) -> Inspection {
    Milesight.inspect(&request(body), &Profile::default()).unwrap()
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, &str, Value, Option<&str>)> {
    let row = |r: &crate::testing::Reading| r.observed_at.to_string();
    let times: Vec<_> = decoded.readings.iter().map(row).collect();
    assert!(times.iter().all(|time| time.starts_with("2026-01-15T1")), "{times:?}");
    let readings = decoded.readings.iter();
    readings
        .map(|r| {
            (r.device.as_str(), r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())
        })
        .collect()
}

/// An event as the platform's documentation has it; 1768478340 is 2026-01-15T11:59:00Z.
fn event(kind: &str, payload: &str) -> String {
    format!(
        r#"{{"eventID":"6167cb40","eventCreatedTime":"1768478340","eventVersion":"1.0","eventType":"DEVICE_DATA",
            "data":{{"deviceProfile":{{"deviceId":"1904371063669395457","sn":"6707E04610160001",
            "devEUI":"24E124707E040001","name":"Demo","model":"AM319"}},"type":"{kind}","tslID":"","payload":{payload}}}}}"#
    )
}

/// The same as it is pushed in an array.
fn pushed(data: &str) -> String {
    format!(
        r#"[{{"deviceId":1988618061618307073,"webhookPushEvent":{{"eventId":"b1782ee5","eventType":"DEVICE_DATA",
            "eventCreatedTime":1768478340,"data":{{"ts":1768478339500,"type":"PROPERTY",{data},
            "deviceProfile":{{"devEUI":"24E124723D385524","deviceId":1988618061618307073}}}}}}}}]"#
    )
}

#[test]
fn an_events_payload_is_read_in_every_envelope() {
    let number = Value::Number;
    let payload = r#"{"temperature_left":1.9,"temperature_right":"2.1","humidity_chn1":40,"battery":93,"temperature_alarm":"ok"}"#;
    let of = |device: &'static str| {
        [
            (device, "left", "temperature", number(1.9), Some("Cel")),
            (device, "right", "temperature", number(2.1), Some("Cel")),
            (device, "chn1", "relative_humidity", number(40.0), Some("%RH")),
            (device, "", "battery_level", number(93.0), Some("%EL")),
            (device, "", "temperature_alarm", Value::Text("ok".into()), None),
        ]
    };
    let plain = event("PROPERTY", payload);
    let data = format!(r#""payload":{payload}"#);
    let inner = pushed(&data);
    for body in [plain.clone(), format!("[{plain}]"), event("", payload), event("EVENT", payload)] {
        let decoded = decode(&body);
        assert_eq!(rows(&decoded), of("24e124707e040001"), "{body}");
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:59:00Z");
        assert_eq!(inspect(&body).message_id.as_deref(), Some("6167cb40"));
    }
    for body in [inner.clone(), inner[1..inner.len() - 1].to_owned()] {
        let decoded = decode(&body);
        assert_eq!(rows(&decoded), of("24e124723d385524"), "{body}");
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:58:59.5Z");
        let inspection = inspect(&body);
        assert_eq!(inspection.message_id.as_deref(), Some("b1782ee5"));
        assert_eq!(inspection.device.as_deref(), Some("24e124723d385524"));
    }
}

#[test]
fn a_device_without_a_dev_eui_has_its_serial_number() {
    let body = event("PROPERTY", r#"{"temperature":1}"#);
    let without = body.replace(r#""devEUI":"24E124707E040001","#, "");
    assert_eq!(decode(&without).readings[0].device, "6707e04610160001");
    let masked = body.replace("24E124707E040001", "24E124707E04xxxx");
    assert_eq!(decode(&masked).readings[0].device, "24e124707e04xxxx");
    let nothing = r#"{"eventType":"DEVICE_DATA","data":{"payload":{"temperature":1}}}"#;
    assert_eq!(decode(nothing).readings[0].device, "house");
    assert_eq!(decode(nothing).readings[0].flags, ["time_received", "assumed_unit"]);
}

#[test]
fn what_was_measured_before_has_its_own_time() {
    let at = |decoded: &Decoded| -> Vec<_> {
        decoded
            .readings
            .iter()
            .map(|r| (r.channel.clone(), r.metric.clone(), r.observed_at.to_string()))
            .collect()
    };
    let temperature = |time: &str| (String::new(), "temperature".to_owned(), time.to_owned());
    let ten = "2026-01-15T10:00:00Z";
    let named = pushed(r#""tslId":"historical_data","payload":{"timestamp":1768471200,"temperature":20}"#);
    assert_eq!(at(&decode(&named)), [temperature(ten)]);
    for key in ["history", "historical_data"] {
        let object = pushed(&format!(
            r#""tslId":"historical_data","payload":{{"{key}":{{"timestamp":1768471200,"temperature":20}},"temperature":21}}"#
        ));
        assert_eq!(at(&decode(&object)), [temperature("2026-01-15T11:58:59.5Z"), temperature(ten)]);
        let list = pushed(&format!(
            r#""payload":{{"{key}":[{{"timestamp":1768471200,"temperature":20}},{{"timestamp":"1768474800","temperature":19}}]}}"#
        ));
        assert_eq!(at(&decode(&list)), [temperature(ten), temperature("2026-01-15T11:00:00Z")]);
    }
    let timeless = pushed(r#""tslId":"historical_data","payload":{"temperature":20}"#);
    assert_eq!(at(&decode(&timeless)), [temperature("2026-01-15T11:58:59.5Z")]);
}

#[test]
fn events_without_values_are_taken_and_give_no_reading() {
    let test = r#"{"eventID":"4b9a","eventCreatedTime":"1768478340","eventVersion":"1.0","eventType":"WEBHOOK_TEST",
        "data":"Test Milesight Webhook Successfully."}"#;
    let system = r#"{"eventID":"7e66","eventType":"SYSTEM_MESSAGES","data":{"message":{"errCode":"x","info":"y"}},"type":"SYSTEM_ALERT"}"#;
    let task = r#"[{"webhookPushEvent":{"eventId":"1","eventType":"TASK_DATA","data":{"taskId":7}}}]"#;
    for body in [test.to_owned(), system.into(), task.into()] {
        assert_eq!(decode(&body), Decoded::default(), "{body}");
    }
    for kind in ["SERVICE", "ONLINE", "OFFLINE"] {
        assert_eq!(decode(&event(kind, r#"{"reboot":1}"#)), Decoded::default());
    }
    assert_eq!(decode(&event("PROPERTY", "{}")), Decoded::default());
    assert_eq!(decode(&event("PROPERTY", "null")), Decoded::default());
}

#[test]
fn one_bad_event_leaves_the_others() {
    let good = event("PROPERTY", r#"{"temperature":21,"humidity":"wet"}"#);
    let odd = event("PROPERTY", r#""text""#);
    let decoded = decode(&format!("[7,{good},{odd}]"));
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| &*problem.place).collect();
    assert_eq!(places, ["[0]", "[1].data.payload.humidity", "[2].data.payload"]);
    assert_eq!(inspect(&format!("[{good},{good}]")), Inspection::default());
}

/// A gateway's message; `more` are further members.
fn uplink(more: &str) -> String {
    format!(
        r#"{{"applicationID":1,"applicationName":"cloud","deviceName":"EM300-TH","devEUI":"24e1641092176759",
            "time":"2026-01-15T11:59:05.547336Z","rxInfo":[{{"mac":"24e124fffef021be","rssi":-57,"loRaSNR":10,
            "name":"local_gateway","latitude":0,"longitude":0,"altitude":0}}],"txInfo":{{"frequency":868300000,
            "dataRate":{{"modulation":"LORA","spreadFactor":7}},"adr":false,"codeRate":"4/5"}},"fCnt":0,"fPort":85{more}}}"#
    )
}

#[test]
fn a_raw_frame_of_a_gateway_gives_no_reading_and_no_problem() {
    for body in [
        uplink(r#","data":"AXVcA2c0AQRoZQ==""#),
        uplink(r#","data":"AXVcA2c0AQRoZQ==","object":null"#),
        uplink(r#","data":"AXVcA2c0AQRoZQ==","metadata":{"mqtt_topic":"/t"},"confirmed":1"#),
        uplink(""),
    ] {
        assert_eq!(decode(&body), Decoded::default(), "{body}");
        let inspection = inspect(&body);
        assert_eq!(inspection.device.as_deref(), Some("24e1641092176759"));
        assert_eq!(inspection.message_id.as_deref(), Some("24e1641092176759/0"));
    }
}

#[test]
fn what_a_gateways_codec_decoded_is_read_wherever_it_stands() {
    let values = r#""temperature":30.8,"battery":92"#;
    let bodies = [
        uplink(&format!(r#","data":"AXU=","object":{{{values}}}"#)),
        uplink(&format!(",{values}")),
        uplink(&format!(r#","data":{{{values}}}"#)),
        format!(r#"{{"devEUI":"24E1241092176759","gatewayTime":"2026-01-15T12:59:05+01:00",{values}}}"#),
    ];
    for body in &bodies {
        let of_milesight = body.replace("24e164", "24e124");
        let decoded = decode(&of_milesight);
        let device = "24e1241092176759";
        let expected = [
            (device, "", "temperature", Value::Number(30.8), Some("Cel")),
            (device, "", "battery_level", Value::Number(92.0), Some("%EL")),
        ];
        assert_eq!(rows(&decoded), expected, "{of_milesight}");
        assert_eq!(decoded.readings[0].observed_at.as_second(), 1_768_478_345, "{of_milesight}");
    }
    // What another vendor's device calls a battery may be volts.
    assert_eq!(decode(&bodies[0]).readings[1].metric, "battery");
}

#[test]
fn a_time_without_a_hyphen_is_repaired() {
    let body = uplink(r#","object":{"temperature":1}"#);
    for (time, at, flags) in [
        ("2026-0115T11:59:05.547336Z", "2026-01-15T11:59:05.547336Z", &["assumed_unit"][..]),
        ("1970-01-01T00:00:00Z", "2026-01-15T12:00:00Z", &["time_implausible", "assumed_unit"]),
        ("2026-0199T11:59:05Z", "2026-01-15T12:00:00Z", &["time_implausible", "assumed_unit"]),
    ] {
        let decoded = decode(&body.replace("2026-01-15T11:59:05.547336Z", time));
        assert_eq!(decoded.readings[0].observed_at.to_string(), at);
        assert_eq!(decoded.readings[0].flags, flags);
    }
    let unset = body.replace("2026-01-15T11:59:05.547336Z", "1970-01-01T00:00:00Z");
    let with = unset.replace(r#""fPort":85"#, r#""fPort":85,"gatewayTime":"2026-01-15T12:59:00+01:00""#);
    assert_eq!(decode(&with).readings[0].observed_at.to_string(), "2026-01-15T11:59:00Z");
}

#[test]
fn a_gateways_notifications_give_no_reading() {
    let device = r#""applicationID":1,"devAddr":"0642fa41","devEUI":"24e124527f418093","deviceID":22,"deviceName":"WT102",
        "gatewaySN":"6438F39254820003","time":"2026-01-15T11:59:00Z""#;
    for more in [
        r#","status":"online""#,
        r#","status":"offline""#,
        r#","acknowledged":true,"fcnt":4996"#,
        r#","error":"downlink error,device offline""#,
        "",
    ] {
        let body = format!("{{{device}{more}}}");
        assert_eq!(decode(&body), Decoded::default(), "{body}");
        assert_eq!(inspect(&body).message_id, None);
    }
    let wired =
        r#"{"deviceName":"Meter 3","deviceID":7,"gatewaySN":"1","time":"2026-01-15T11:59:00Z","power":5}"#;
    assert_eq!(rows(&decode(wired)), [("Meter 3", "", "power", Value::Number(5.0), Some("W"))]);
}

#[test]
fn what_is_neither_is_refused() {
    let refused = |body: &str| Milesight.inspect(&request(body), &Profile::default()).unwrap_err();
    for body in ["{}", "[]", "[[]]", "7", r#"{"temperature":1}"#, r#"{"eventType":7}"#] {
        assert!(matches!(refused(body), FormError::Unprocessable(_)), "{body}");
    }
    assert!(matches!(refused("{\"eventType\": // x\n}"), FormError::Malformed(_)));
}
