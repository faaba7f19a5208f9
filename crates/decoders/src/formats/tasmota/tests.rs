use event_model::{RecordedRequest, Value};

use super::Tasmota;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(path: &str, body: &str) -> RecordedRequest {
    let head = format!("POST {path} HTTP/1.1\ncontent-type: application/json\n\n");
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode(path: &str, body: &str) -> Decoded {
    let profile =
        Profile { source: "home".into(), time_zone: Some("Europe/Berlin".into()), ..Profile::default() };
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    Tasmota.decode(&request(path, body), context).unwrap().into()
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value, Option<&str>)> {
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

const SENSOR: &str = "/hooks/home/tele/plug/SENSOR";

#[test]
fn sensors_are_channels_and_times_are_local() {
    let body = r#"{"Time":"2026-01-15T12:30:00","DS18B20-1":{"Id":"0000","Temperature":50},
        "BME280":{"Humidity":40,"Pressure":29.92,"SeaPressure":30},"Switch1":"ON","TempUnit":"F","PressureUnit":"inHg"}"#;
    let decoded = decode(SENSOR, body);
    assert_eq!(decoded.readings[0].device, "plug");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:30:00Z");
    let expected = [
        ("DS18B20-1", "temperature", Value::Number(10.0), Some("Cel")),
        ("BME280", "relative_humidity", Value::Number(40.0), Some("%RH")),
        ("BME280", "pressure", Value::Number(1_013.207_481_190_027_2), Some("hPa")),
        ("BME280", "pressure_sea_level", Value::Number(1_015.916_592_102_3), Some("hPa")),
        ("", "switch1", Value::Text("ON".into()), None),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn energy_has_its_own_names_and_a_channel_per_phase() {
    let body = r#"{"Time":"2026-01-15T12:30:00+01:00","ENERGY":{"TotalStartTime":"2018-11-14T18:39:40","Total":6.3,
        "Today":0.9,"Period":217,"Power":[10,20],"Voltage":230}}"#;
    let decoded = decode(SENSOR, body);
    let expected = [
        ("ENERGY", "energy_total", Value::Number(6.3), Some("kWh")),
        ("ENERGY", "energy_today", Value::Number(0.9), Some("kWh")),
        ("ENERGY", "energy_period", Value::Number(217.0), Some("Wh")),
        ("ENERGY.0", "power", Value::Number(10.0), Some("W")),
        ("ENERGY.1", "power", Value::Number(20.0), Some("W")),
        ("ENERGY", "voltage", Value::Number(230.0), Some("V")),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn the_answer_to_a_status_request_is_unwrapped() {
    let body = r#"{"StatusSNS":{"Time":"2026-01-15T12:30:00","AM2301":{"Temperature":21}}}"#;
    let decoded = decode("/hooks/home/stat/plug/STATUS8", body);
    assert_eq!(rows(&decoded), [("AM2301", "temperature", Value::Number(21.0), Some("Cel"))]);
}

#[test]
fn a_bridges_message_brings_its_topic() {
    let inner = r#"{"Time":"2026-01-15T12:30:00","AM2301":{"Temperature":21}}"#;
    let text = serde_json::to_string(inner).unwrap();
    for payload in [inner, text.as_str()] {
        let body = format!(r#"{{"topic":"tele/cellar/SENSOR","payload":{payload}}}"#);
        assert_eq!(decode("/hooks/home", &body).readings[0].device, "cellar");
    }
    let wrong =
        r#"{"topic":"stat/cellar/STATUS8","payload":{"StatusSNS":{"AM2301":{"Temperature":"warm"}}}}"#;
    assert_eq!(decode("/hooks/home", wrong).problems[0].place, "payload.StatusSNS.AM2301.Temperature");
    assert_eq!(decode("/hooks/home?topic=tele/attic/SENSOR", inner).readings[0].device, "attic");
    assert_eq!(decode("/hooks/home", inner).readings[0].device, "home");
}

#[test]
fn the_epoch_goes_before_the_local_time() {
    let body = r#"{"Time":"2026-01-15T12:30:00","Epoch":1768476601,"ANALOG":{"A0":8}}"#;
    let decoded = decode(SENSOR, body);
    assert_eq!(rows(&decoded), [("ANALOG", "a0", Value::Number(8.0), None)]);
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:30:01Z");
}

#[test]
fn what_a_bridge_says_about_a_device_and_its_relay_is_no_reading() {
    let zigbee = r#"{"ZbReceived":{"0x329F":{"Device":"0x329F","Name":"Attic","Humidity":40,"Power":1,"Endpoint":1,"LinkQuality":92}}}"#;
    let expected = [("ZbReceived.0x329F", "relative_humidity", Value::Number(40.0), Some("%RH"))];
    assert_eq!(rows(&decode(SENSOR, zigbee)), expected);
    let bluetooth = r#"{"ATC123456":{"mac":"a4c138123456","Battery":87,"RSSI":-70}}"#;
    assert_eq!(rows(&decode(SENSOR, bluetooth)), [("ATC123456", "battery", Value::Number(87.0), None)]);
}

#[test]
fn senders_under_one_name_are_told_apart() {
    let beacon = |mac: &str| format!(r#"{{"IBEACON":{{"MAC":"{mac}","RSSI":-56,"STATE":"ON","PERSEC":2}}}}"#);
    for mac in ["A4C1387FC1E1", "FFFFA0003B19"] {
        let channel = format!("IBEACON.{mac}");
        let decoded = decode(SENSOR, &beacon(mac));
        let expected = [
            (channel.as_str(), "state", Value::Text("ON".into()), None),
            (channel.as_str(), "persec", Value::Number(2.0), None),
        ];
        assert_eq!(rows(&decoded), expected);
    }
    let channels = |body: &str| -> Vec<_> {
        decode(SENSOR, body).readings.into_iter().map(|reading| reading.channel).collect()
    };
    let list = r#"{"IBEACON":[{"MAC":"A4C1387FC1E1","X":1},{"MAC":"FFFFA0003B19","X":2}]}"#;
    assert_eq!(channels(list), ["IBEACON.0.A4C1387FC1E1", "IBEACON.1.FFFFA0003B19"]);
    let zigbee = |endpoint: u8| {
        channels(&format!(
            r#"{{"ZbReceived":{{"0x329F":{{"Device":"0x329F","Humidity":40,"Endpoint":{endpoint}}}}}}}"#
        ))
    };
    assert_eq!(zigbee(1), ["ZbReceived.0x329F"]);
    assert_eq!(zigbee(2), ["ZbReceived.0x329F.2"]);
    assert_eq!(channels(r#"{"ATC123456":{"mac":"a4c138123456","Temperature":21}}"#), ["ATC123456"]);
    assert_eq!(channels(r#"{"BLE":{"mac":"ü","Temperature":21}}"#), ["BLE"]);
}

#[test]
fn words_are_taken_where_no_sensors_are() {
    for (path, body) in [
        ("/hooks/home/tele/plug/LWT", "Online"),
        ("/hooks/home/stat/plug/POWER", "ON"),
        ("/hooks/home", r#"{"topic":"tele/plug/LWT","payload":"Offline"}"#),
        ("/hooks/home", r#"{"topic":"stat/plug/POWER1","payload":null}"#),
    ] {
        let inspection = Tasmota.inspect(&request(path, body), &Profile::default()).unwrap();
        assert_eq!(inspection.device.as_deref(), Some("plug"));
        assert_eq!(decode(path, body), Decoded::default(), "{body}");
    }
    for body in ["Online", r#"{"topic":"tele/plug/SENSOR","payload":"Online"}"#] {
        let refused = Tasmota.inspect(&request(SENSOR, body), &Profile::default());
        assert!(matches!(refused, Err(FormError::Malformed(_))), "{body}");
    }
}

#[test]
fn state_messages_give_no_reading() {
    let state = r#"{"Time":"2026-01-15T12:30:00","Uptime":"1T00:00:00","UptimeSec":86400,"POWER":"ON","Wifi":{"RSSI":90}}"#;
    assert_eq!(decode("/hooks/home/tele/plug/STATE", state), Decoded::default());
    assert_eq!(decode("/hooks/home", state), Decoded::default());
    assert_eq!(decode("/hooks/home/stat/plug/RESULT", r#"{"POWER":"ON"}"#), Decoded::default());
}

#[test]
fn broken_json_as_the_documentation_prints_it_is_refused() {
    let body = r#"{"Time":"2018-08-18T16:13:47","MCP230XX": "D0":0,"D1":0}}"#;
    let refused = Tasmota.inspect(&request(SENSOR, body), &Profile::default());
    assert!(matches!(refused, Err(FormError::Malformed(_))));
}
