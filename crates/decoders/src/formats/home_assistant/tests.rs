use event_model::{RecordedRequest, Value};

use super::HomeAssistant;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(body: &str) -> RecordedRequest {
    let head = "POST /hooks/home HTTP/1.1\ncontent-type: application/json\n\n";
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn try_decode(body: &str) -> Result<Decoded, String> {
    let profile = Profile { source: "home".into(), ..Profile::default() };
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    HomeAssistant.decode(&request(body), context).map(Into::into).map_err(|error| error.to_string())
}

fn decode(body: &str) -> Decoded {
    try_decode(body).unwrap()
}

fn inspect(body: &str) -> Result<Inspection, FormError> {
    HomeAssistant.inspect(&request(body), &Profile::default())
}

type Row<'r> = (&'r str, &'r str, Value, Option<&'r str>, String);

fn rows(decoded: &Decoded) -> Vec<Row<'_>> {
    let row = |r: &'_ crate::testing::Reading| (r.value.clone(), r.observed_at.to_string());
    let readings = decoded.readings.iter();
    readings
        .map(|r| {
            let (value, at) = row(r);
            (r.device.as_str(), r.metric.as_str(), value, r.unit.as_deref(), at)
        })
        .collect()
}

const AT: &str = "2026-01-15T11:30:00.123456Z";

/// A state as the APIs have it.
fn state(entity: &str, value: &str, attributes: &str) -> String {
    format!(
        r#"{{"entity_id":"{entity}","state":{value},"attributes":{{{attributes}}},"last_changed":"2026-01-15T11:00:00+00:00",
        "last_reported":"2026-01-15T11:45:00+00:00","last_updated":"2026-01-15T11:30:00.123456+00:00",
        "context":{{"id":"01STATE","parent_id":null,"user_id":null}}}}"#
    )
}

const CELSIUS: &str = r#""unit_of_measurement":"°C","device_class":"temperature","friendly_name":"Hall","state_class":"measurement""#;

fn event(kind: &str, data: &str) -> String {
    format!(
        r#"{{"event_type":"{kind}","data":{data},"origin":"LOCAL","time_fired":"2026-01-15T11:31:00+00:00","context":{{"id":"01EVENT"}}}}"#
    )
}

fn changed(entity: &str, new: &str) -> String {
    event("state_changed", &format!(r#"{{"entity_id":"{entity}","old_state":null,"new_state":{new}}}"#))
}

#[test]
fn a_change_is_one_reading_in_each_of_its_envelopes() {
    let state = state("sensor.hall", r#""69.8""#, &CELSIUS.replace('C', "F"));
    let fired = changed("sensor.hall", &state);
    let expected = ("sensor.hall", "temperature", Value::Number(21.0), Some("Cel"), AT.to_owned());
    for (body, id) in [
        (fired.clone(), "01EVENT"),
        (format!(r#"{{"id":18,"type":"event","event":{fired}}}"#), "01EVENT"),
        (state.clone(), "01STATE"),
        (format!(r#"{{"entity_id":"sensor.hall","old_state":null,"new_state":{state}}}"#), "01STATE"),
        (
            format!(r#"{{"platform":"state","entity_id":"x.y","from_state":null,"to_state":{state}}}"#),
            "01STATE",
        ),
        (format!(r#"{{"trigger":{{"platform":"state","to_state":{state}}}}}"#), "01STATE"),
        (format!("[{fired}]"), "01EVENT"),
        (format!(r#"{{"id":1,"type":"result","success":true,"result":[{state}]}}"#), "01STATE"),
    ] {
        let decoded = decode(&body);
        assert_eq!(rows(&decoded), std::slice::from_ref(&expected), "{body}");
        assert_eq!(decoded.tags, [("sensor.hall".into(), "friendly_name".into(), "Hall".into())]);
        let inspection = inspect(&body).unwrap();
        assert_eq!(inspection.device.as_deref(), Some("sensor.hall"), "{body}");
        assert_eq!(inspection.message_id.as_deref(), Some(id), "{body}");
    }
}

#[test]
fn what_has_no_state_is_taken_without_a_reading() {
    let hall = |value: &str| changed("sensor.hall", &state("sensor.hall", value, CELSIUS));
    for body in [
        &hall(r#""unavailable""#),
        &hall(r#""unknown""#),
        &hall(r#""""#),
        &hall("null"),
        &changed("sensor.hall", "null"),
        &event("call_service", r#"{"domain":"light","service":"turn_on"}"#),
        &event("component_loaded", "null"),
        r#"{"type":"auth_required","ha_version":"2026.1.0"}"#,
        r#"{"id":1,"type":"result","success":true,"result":null}"#,
        "[]",
    ] {
        assert_eq!(decode(body), Decoded::default(), "{body}");
        assert!(inspect(body).is_ok(), "{body}");
    }
}

#[test]
fn the_class_of_the_device_names_what_is_measured() {
    let named = |entity: &str, value: &str, attributes: &str| {
        let decoded = decode(&state(entity, value, attributes));
        assert!(decoded.problems.is_empty(), "{decoded:?}");
        let [row] = &rows(&decoded)[..] else { panic!("{decoded:?}") };
        (row.1.to_owned(), row.2.clone(), row.3.map(str::to_owned))
    };
    let class =
        |class: &str, unit: &str| format!(r#""device_class":"{class}","unit_of_measurement":"{unit}""#);
    for (name, unit, metric, kept, value) in [
        ("humidity", "%", "relative_humidity", "%RH", 10.0),
        ("battery", "%", "battery_level", "%EL", 10.0),
        ("carbon_dioxide", "ppm", "co2", "ppm", 10.0),
        ("pm25", "µg/m³", "pm2_5", "ug/m3", 10.0),
        ("atmospheric_pressure", "inHg", "pressure", "hPa", 338.638_864_034_1),
        ("energy", "Wh", "energy", "kWh", 0.01),
        ("wind_speed", "m/s", "wind_speed", "m/s", 10.0),
        ("signal_strength", "dBm", "signal_strength", "dBm", 10.0),
    ] {
        let found = named("sensor.x", r#""10""#, &class(name, unit));
        assert_eq!(found, (metric.into(), Value::Number(value), Some(kept.into())), "{name}");
    }
    let on = Value::Text("on".into());
    for (entity, name, metric) in [
        ("binary_sensor.hall", "motion", "motion"),
        ("binary_sensor.hall", "moisture", "state"),
        ("binary_sensor.hall", "power", "state"),
        ("binary_sensor.hall", "battery", "state"),
        ("switch.plug", "outlet", "state"),
    ] {
        let attributes = format!(r#""device_class":"{name}""#);
        assert_eq!(named(entity, r#""on""#, &attributes), (metric.into(), on.clone(), None), "{name}");
    }
    let plain = named("sensor.count", r#""7""#, r#""unit_of_measurement":"L/min""#);
    assert_eq!(plain, ("state".into(), Value::Number(7.0), Some("l/min".into())));
    let odd = named("sensor.x", "12.5", r#""device_class":7,"unit_of_measurement":null,"brightness":180"#);
    assert_eq!(odd, ("state".into(), Value::Number(12.5), None));
}

#[test]
fn templates_of_peoples_own_are_read() {
    let body = r#"{"entity_id":"sensor.a","state":21.5,"unit":"°C","device_class":"temperature","timestamp":1768476600}"#;
    let expected =
        ("sensor.a", "temperature", Value::Number(21.5), Some("Cel"), "2026-01-15T11:30:00Z".to_owned());
    assert_eq!(rows(&decode(body)), [expected]);
    let scalar = decode(r#"{"entity_id":"light.b","old_state":"off","new_state":"on"}"#);
    let received = "2026-01-15T12:00:00Z".to_owned();
    assert_eq!(rows(&scalar), [("light.b", "state", Value::Text("on".into()), None, received.clone())]);
    let quantity = decode(r#"{"entity_id":"sensor.a","state":"21.5 °C"}"#);
    assert_eq!(rows(&quantity)[0].3, Some("Cel"));
    let many = decode(
        r#"{"sensor.a":"21.5","sensor.b":{"state":"7","attributes":{"unit_of_measurement":"W","device_class":"power"}},
        "sensor.c":"unavailable","sensor.d":[1],"note":"x"}"#,
    );
    let expected = [
        ("sensor.a", "state", Value::Number(21.5), None, received.clone()),
        ("sensor.b", "power", Value::Number(7.0), Some("W"), received),
    ];
    assert_eq!(rows(&many), expected);
    assert_eq!(many.problems[0].place, "sensor.d");
}

#[test]
fn a_report_of_an_unchanged_state_has_its_own_time() {
    let data = format!(
        r#"{{"entity_id":"sensor.hall","old_last_reported":"2026-01-15T11:00:00+00:00","last_reported":"2026-01-15T11:50:00+00:00","new_state":{}}}"#,
        state("sensor.hall", r#""20""#, CELSIUS)
    );
    assert_eq!(rows(&decode(&event("state_reported", &data)))[0].4, "2026-01-15T11:50:00Z");
    let bare = changed("sensor.hall", r#"{"state":"20","attributes":{}}"#);
    assert_eq!(rows(&decode(&bare))[0].4, "2026-01-15T11:31:00Z");
}

#[test]
fn a_history_may_leave_out_what_was_said_before() {
    let first = state("sensor.hall", r#""20""#, CELSIUS);
    let body = format!(
        r#"[[{first},{{"state":"21","last_changed":"2026-01-15T11:40:00+00:00"}},{{"state":"unavailable","last_changed":"2026-01-15T11:41:00+00:00"}},
        {{"state":"22","last_changed":"2026-01-15T11:42:00+00:00"}}],[{{"state":"7","last_changed":"2026-01-15T11:00:00+00:00"}}]]"#
    );
    let decoded = decode(&body);
    let rows = rows(&decoded);
    let values: Vec<_> =
        rows.iter().map(|row| (row.0, row.1, row.2.as_number().unwrap(), row.4.as_str())).collect();
    let expected = [
        ("sensor.hall", "temperature", 20.0, AT),
        ("sensor.hall", "temperature", 21.0, "2026-01-15T11:40:00Z"),
        ("sensor.hall", "temperature", 22.0, "2026-01-15T11:42:00Z"),
        ("home", "state", 7.0, "2026-01-15T11:00:00Z"),
    ];
    assert_eq!(values, expected);
    assert_eq!(decoded.tags.len(), 1);
}

#[test]
fn a_list_keeps_what_is_good_in_it() {
    let good = changed("sensor.hall", &state("sensor.hall", r#""20""#, CELSIUS));
    let warm = changed("sensor.hall", &state("sensor.hall", r#""warm""#, CELSIUS));
    let event = r#"{"event_type":"state_changed"}"#;
    let body = format!(r#"[{good},{warm},7,{event},{{"a":1}},{{"entity_id":"a\nb","state":"1"}},[[[]]]]"#);
    let decoded = decode(&body);
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    let expected = ["[1].data.new_state.state", "[2]", "[3].data", "[4]", "[5].entity_id", "[6][0]"];
    assert_eq!(places, expected);
    assert_eq!(inspect(&body), Ok(Inspection::default()));
    assert_eq!(try_decode(&warm).unwrap_err(), "data.new_state.state: expected a number, found a string");
}

#[test]
fn what_is_nothing_of_home_assistant_is_refused() {
    for body in ["", "on", "{", r#"{"entity_id":"#] {
        assert!(matches!(inspect(body), Err(FormError::Malformed(_))), "{body}");
    }
    for body in [
        "7",
        r#""on""#,
        "{}",
        r#"{"temperature":21}"#,
        r#"[{"x":1},2]"#,
        r#"{"type":"event","event":{"a":{}}}"#,
        r#"{"new_state":{"entity_id":"sensor.a"}}"#,
    ] {
        assert!(matches!(inspect(body), Err(FormError::Unprocessable(_))), "{body}");
    }
    let get = RecordedRequest { method: "GET".into(), ..request("") };
    let refused = HomeAssistant.inspect(&get, &Profile::default());
    assert!(matches!(refused, Err(FormError::MethodNotAllowed { .. })));
}
