use event_model::{Quality, RecordedRequest, Value};

use super::Zigbee2Mqtt;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(path: &str, body: &str) -> RecordedRequest {
    let head = format!("POST {path} HTTP/1.1\ncontent-type: application/json\n\n");
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode_request(request: &RecordedRequest) -> Decoded {
    let profile = Profile { source: "home".into(), ..Profile::default() };
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    Zigbee2Mqtt.decode(request, context).unwrap().into()
}

fn decode(path: &str, body: &str) -> Decoded {
    decode_request(&request(path, body))
}

fn refused(path: &str, body: &str) -> FormError {
    Zigbee2Mqtt.inspect(&request(path, body), &Profile::default()).unwrap_err()
}

type Row<'r> = (&'r str, &'r str, Value, Option<&'r str>);

fn rows(decoded: &Decoded) -> Vec<Row<'_>> {
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

fn number<'r>(metric: &'r str, value: f64, unit: &'r str) -> Row<'r> {
    ("", metric, Value::Number(value), Some(unit))
}

const SENSOR: &str = "/hooks/home/zigbee2mqtt/hall/sensor";

#[test]
fn a_state_has_the_units_of_the_documentation() {
    let body = r#"{"temperature":21.5,"humidity":"48.2","pressure":2,"illuminance":7,"co2":null,"pm25":3,"voc":120,
        "occupancy":true,"linkquality":120,"battery":96,"elapsed":60012,"last_seen":"2026-01-15T12:30:00+01:00"}"#;
    let decoded = decode(SENSOR, body);
    let expected = [
        number("temperature", 21.5, "Cel"),
        number("relative_humidity", 48.2, "%RH"),
        number("pressure", 2.0, "hPa"),
        number("illuminance", 7.0, "lx"),
        number("pm2_5", 3.0, "ug/m3"),
        number("tvoc", 120.0, "ug/m3"),
        ("", "occupancy", Value::Flag(true), None),
        number("battery_level", 96.0, "%EL"),
    ];
    assert_eq!(rows(&decoded), expected);
    assert!(decoded.problems.is_empty());
    for reading in &decoded.readings {
        assert_eq!((reading.device.as_str(), reading.quality), ("hall/sensor", Quality::Good));
        assert_eq!(reading.observed_at.to_string(), "2026-01-15T11:30:00Z");
    }
}

#[test]
fn the_time_is_that_of_last_seen_in_each_of_its_spellings() {
    for (last_seen, expected) in [
        (r#""2026-01-15T11:30:00.250Z""#, "2026-01-15T11:30:00.25Z"),
        (r#""2026-01-15T12:30:00+01:00""#, "2026-01-15T11:30:00Z"),
        ("1768476600250", "2026-01-15T11:30:00.25Z"),
        ("null", "2026-01-15T12:00:00Z"),
        (r#""N/A""#, "2026-01-15T12:00:00Z"),
    ] {
        let decoded = decode(SENSOR, &format!(r#"{{"contact":false,"last_seen":{last_seen}}}"#));
        assert_eq!(decoded.readings[0].observed_at.to_string(), expected, "{last_seen}");
        assert_eq!(decoded.readings.len(), 1);
    }
}

#[test]
fn a_voltage_is_the_batterys_or_that_of_the_mains() {
    for (body, expected) in [
        (r#"{"battery":74,"voltage":2955}"#, number("battery_voltage", 2.955, "V")),
        (r#"{"battery":null,"voltage":2955}"#, number("battery_voltage", 2.955, "V")),
        (r#"{"battery_low":false,"voltage":1400}"#, number("battery_voltage", 1.4, "V")),
        (r#"{"contact":true,"voltage":"3015"}"#, number("battery_voltage", 3.015, "V")),
        (r#"{"battery":50,"voltage":2.9}"#, number("battery_voltage", 2.9, "V")),
        (r#"{"power":0,"voltage":229}"#, number("voltage", 229.0, "V")),
    ] {
        assert_eq!(rows(&decode(SENSOR, body)).pop(), Some(expected), "{body}");
    }
    assert_eq!(rows(&decode(SENSOR, r#"{"battery":null,"voltage":null}"#)), []);
}

#[test]
fn a_plug_counts_its_energy_by_phase_and_endpoint() {
    let body = r#"{"state":"ON","power":12.5,"energy":3.25,"produced_energy":1,"power_factor":0.9,"ac_frequency":50,
        "power_phase_b":7,"state_l1":"OFF","temperature_l2":20,"power_on_behavior":"previous","power_outage_count":2}"#;
    let expected = [
        ("", "state", Value::Text("ON".into()), None),
        number("power", 12.5, "W"),
        number("energy_total", 3.25, "kWh"),
        number("energy_produced", 1.0, "kWh"),
        number("power_factor", 0.9, "/"),
        number("ac_frequency", 50.0, "Hz"),
        ("phase_b", "power", Value::Number(7.0), Some("W")),
        ("", "state_l1", Value::Text("OFF".into()), None),
        ("l2", "temperature", Value::Number(20.0), Some("Cel")),
        ("", "power_on_behavior", Value::Text("previous".into()), None),
        ("", "power_outage_count", Value::Number(2.0), None),
    ];
    assert_eq!(rows(&decode(SENSOR, body)), expected);
}

#[test]
fn a_raw_illuminance_is_not_in_lux() {
    let both = |raw: &str| decode(SENSOR, &format!(r#"{{"illuminance":{raw},"illuminance_lux":14}}"#));
    assert_eq!(rows(&both("14")), [number("illuminance", 14.0, "lx")]);
    let expected =
        [("", "illuminance_raw", Value::Number(11_461.0), None), number("illuminance", 14.0, "lx")];
    assert_eq!(rows(&both("11461")), expected);
    let alone = decode(SENSOR, r#"{"illuminance":30,"illuminance_lux":null}"#);
    assert_eq!(rows(&alone), [number("illuminance", 30.0, "lx")]);
}

#[test]
fn events_are_texts_and_what_is_nested_is_a_channel() {
    let body = r#"{"action":"single","update":{"state":"idle"},"color":{"x":0.3,"y":0.4}}"#;
    let expected = [
        ("", "action", Value::Text("single".into()), None),
        ("update", "state", Value::Text("idle".into()), None),
        ("color", "x", Value::Number(0.3), None),
        ("color", "y", Value::Number(0.4), None),
    ];
    assert_eq!(rows(&decode(SENSOR, body)), expected);
    assert_eq!(rows(&decode(SENSOR, r#"{"action":"","action_side":null,"linkquality":0}"#)), []);
}

#[test]
fn what_is_said_about_the_device_becomes_tags() {
    let body = r#"{"contact":true,"device":{"friendlyName":"door","ieeeAddr":"0x01","model":"MCCGQ11LM","networkAddress":7}}"#;
    let decoded = decode("/hooks/home", body);
    assert_eq!(rows(&decoded), [("", "contact", Value::Flag(true), None)]);
    assert_eq!(decoded.readings[0].device, "door");
    let tags: Vec<_> = decoded.tags.iter().map(|(_, tag, text)| (tag.as_str(), text.as_str())).collect();
    assert_eq!(tags, [("friendly_name", "door"), ("ieee_addr", "0x01"), ("model", "MCCGQ11LM")]);
}

#[test]
fn the_topic_comes_in_several_ways() {
    let state = r#"{"temperature":21}"#;
    let device = |request: &RecordedRequest| decode_request(request).readings.remove(0).device;
    assert_eq!(device(&request("/hooks/home/living%20room/k%C3%BCche", state)), "living room/küche");
    assert_eq!(device(&request("/hooks/home?topic=zigbee2mqtt/attic", state)), "attic");
    assert_eq!(device(&request("/hooks/home", state)), "home");
    let mut in_header = request("/hooks/home", state);
    in_header.headers.push(("x-topic".into(), "zigbee2mqtt/cellar".into()));
    assert_eq!(device(&in_header), "cellar");
    let text = serde_json::to_string(state).unwrap();
    for payload in [state, &text] {
        let body = format!(r#"{{"topic":"zigbee2mqtt/a/b","payload":{payload},"qos":0,"retain":false}}"#);
        assert_eq!(device(&request("/hooks/home", &body)), "a/b");
    }
}

#[test]
fn a_list_keeps_what_is_good_in_it() {
    let body = r#"[{"topic":"zigbee2mqtt/a","payload":{"temperature":"warm","humidity":40}},{"topic":"zigbee2mqtt/b","payload":7},
        "x",{"topic":"zigbee2mqtt/bridge/state","payload":"online"},{"topic":"zigbee2mqtt/a\u0000","payload":{"contact":true}},
        {"topic":"zigbee2mqtt/c","payload":"{\"contact\":true}"}]"#;
    let decoded = decode("/hooks/home", body);
    let devices: Vec<_> = decoded.readings.iter().map(|reading| reading.device.as_str()).collect();
    assert_eq!(devices, ["a", "c"]);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[0].payload.temperature", "[1]", "[2]", "[4].payload.topic"]);
    let history = decode(
        SENSOR,
        r#"[{"contact":true,"last_seen":1768476600000},{"contact":false,"last_seen":1768476660000}]"#,
    );
    assert_eq!(history.readings.len(), 2);
    for body in ["[]", "[1]", r#"[{"topic":"zigbee2mqtt/b","payload":[]}]"#] {
        assert!(matches!(refused("/hooks/home", body), FormError::Unprocessable(_)), "{body}");
    }
}

#[test]
fn what_holds_no_state_is_taken_without_a_reading() {
    for (path, body) in [
        ("/hooks/home/zigbee2mqtt/plug/availability", "online"),
        ("/hooks/home/zigbee2mqtt/plug/availability", r#"{"state":"offline"}"#),
        ("/hooks/home/zigbee2mqtt/plug/set", r#"{"state":"ON"}"#),
        ("/hooks/home/zigbee2mqtt/plug/get/state", ""),
        ("/hooks/home/zigbee2mqtt/plug", ""),
        ("/hooks/home/zigbee2mqtt/plug/action", "single"),
        ("/hooks/home", r#"{"topic":"zigbee2mqtt/plug","payload":""}"#),
        ("/hooks/home", r#"{"topic":"zigbee2mqtt/plug","payload":null}"#),
        ("/hooks/home", r#"{"topic":"zigbee2mqtt/plug/availability","payload":"online"}"#),
    ] {
        let inspection = Zigbee2Mqtt.inspect(&request(path, body), &Profile::default()).unwrap();
        let device = inspection.device.unwrap_or_default();
        assert!(device.starts_with("plug"), "{path} {body}: {device}");
        assert_eq!(decode(path, body), Decoded::default(), "{path} {body}");
    }
    let devices = r#"[{"ieee_address":"0x00","type":"Coordinator"}]"#;
    assert_eq!(decode("/hooks/home/zigbee2mqtt/bridge/devices", devices), Decoded::default());
}

#[test]
fn a_single_value_is_of_the_attribute_that_ends_its_topic() {
    for (body, value, unit) in
        [("21.5", Value::Number(21.5), Some("Cel")), (r#""21.5""#, Value::Number(21.5), Some("Cel"))]
    {
        let decoded = decode("/hooks/home/zigbee2mqtt/attic/temperature", body);
        assert_eq!(rows(&decoded), [("", "temperature", value, unit)]);
        assert_eq!(decoded.readings[0].device, "attic");
    }
    let state = decode("/hooks/home", r#"{"topic":"zigbee2mqtt/a/b/state","payload":"ON"}"#);
    assert_eq!(rows(&state), [("", "state", Value::Text("ON".into()), None)]);
    assert_eq!(state.readings[0].device, "a/b");
    assert_eq!(rows(&decode("/hooks/home/attic/linkquality", "77")), []);
    assert_eq!(rows(&decode("/hooks/home/attic/device-model", "x")), []);
}

#[test]
fn what_is_no_message_is_refused() {
    for body in ["", "online", "{", "\u{1}"] {
        assert!(matches!(refused("/hooks/home", body), FormError::Malformed(_)), "{body}");
    }
    assert!(matches!(refused("/hooks/home/attic", "7"), FormError::Unprocessable(_)));
    assert!(matches!(refused(SENSOR, r#"{"temperature":21"#), FormError::Malformed(_)));
    let inner = r#"{"topic":"zigbee2mqtt/a","payload":"{\"x\":"}"#;
    assert!(
        matches!(refused("/hooks/home", inner), FormError::Malformed(reason) if reason.starts_with("payload: "))
    );
}
