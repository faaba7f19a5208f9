use event_model::{Name, RecordedRequest, Value};

use super::options::{Sensor, Sensors};
use super::{Opensensemap, Place};
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder as _;
use crate::options::Options;

const BOX: &str = "/hooks/boxes/boxes/5f0c1f2a/data";

fn request(path: &str, content_type: &str, body: &str) -> RecordedRequest {
    let request = format!("POST {path} HTTP/1.1\ncontent-type: {content_type}\n\n{body}");
    RecordedRequest::parse(request.as_bytes()).unwrap()
}

fn profile() -> Profile {
    let sensor = |metric: &str, unit: Option<&str>, channel: &str| Sensor {
        metric: metric.into(),
        unit: unit.map(str::to_owned),
        channel: Name::from(channel),
    };
    let sensors = [
        ("t1".to_owned(), sensor("temperature", None, "")),
        ("p1".to_owned(), sensor("pressure", Some("Pa"), "roof")),
    ];
    let options = Options::new(sensors.into_iter().collect::<Sensors>());
    Profile { source: "boxes".into(), options, ..Profile::default() }
}

/// Each reading as `device channel metric value unit time`, then each problem as `place: reason`.
fn decode(path: &str, content_type: &str, body: &str) -> Vec<String> {
    let profile = profile();
    let context = Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap());
    let decoded = Opensensemap.decode(&request(path, content_type, body), context);
    let decoded = decoded.unwrap_or_else(|error| error.0.into());
    let readings = decoded.readings().map(|(sample, reading)| {
        let Value::Number(value) = reading.value else { panic!("{reading:?} is a number") };
        let unit = reading.unit.as_deref().unwrap_or("-");
        format!(
            "{} {} {} {value} {unit} {}",
            sample.device, sample.channel, reading.metric, sample.observed_at
        )
    });
    let problems = decoded.problems.iter().map(|problem| format!("{}: {}", problem.place, problem.reason));
    readings.chain(problems).collect()
}

#[test]
fn an_object_has_values_by_sensor() {
    let body = r#"{"t1":"21.5","p1":["101320","2026-01-15T11:00:00Z",[7.6,51.9,60]],"x9":3,"t2":[]}"#;
    let expected = [
        "5f0c1f2a  temperature 21.5 Cel 2026-01-15T12:00:00Z",
        "5f0c1f2a roof pressure 1013.2 hPa 2026-01-15T11:00:00Z",
        "5f0c1f2a  x9 3 - 2026-01-15T12:00:00Z",
        "t2: expected a value, found an empty array",
    ];
    assert_eq!(decode(BOX, "application/json", body), expected);
}

#[test]
fn an_array_names_the_sensor_of_each_value() {
    let body = r#"[{"sensor":"t1","value":"21.5","createdAt":"2026-01-15T11:59:00Z"},{"sensor":"t1"},7,{"value":1}]"#;
    let expected = [
        "5f0c1f2a  temperature 21.5 Cel 2026-01-15T11:59:00Z",
        "[1]: expected a value, found none",
        "[2]: expected an object, found a number",
        "[3]: expected a sensor, found none",
    ];
    assert_eq!(decode(BOX, "application/json", body), expected);
}

#[test]
fn one_value_is_of_the_sensor_in_the_address() {
    let path = "/hooks/boxes/boxes/5f0c1f2a/t1";
    let found = decode(path, "application/json", r#"{"value":21.5,"createdAt":"2026-01-15T11:59:00Z"}"#);
    assert_eq!(found, ["5f0c1f2a  temperature 21.5 Cel 2026-01-15T11:59:00Z"]);
    assert_eq!(Place::of(&request(path, "a/b", "")).sensor.as_deref(), Some("t1"));
    let answer = |path| Opensensemap.success_body(&request(path, "a/b", "")).map(|(_, body)| body);
    assert_eq!(answer(path), Some("\"Measurement saved in box\""));
    assert_eq!(answer(BOX), Some("\"Measurements saved in box\""));
}

#[test]
fn lines_have_a_value_each() {
    let body = "t1,21.5\r\np1, 101320, 2026-01-15T11:00:00Z, 7.6, 51.9\n\nt1\nt1,warm\n";
    let expected = [
        "5f0c1f2a  temperature 21.5 Cel 2026-01-15T12:00:00Z",
        "5f0c1f2a roof pressure 1013.2 hPa 2026-01-15T11:00:00Z",
        "line 4: expected a sensor and a value, with a comma between them",
        "line 5: expected a number, found a string",
    ];
    assert_eq!(decode(BOX, "text/csv", body), expected);
}

#[test]
fn airrohr_and_hackair_send_in_their_own_shapes() {
    let airrohr = r#"{"esp8266id":"1","sensordatavalues":[{"value_type":"SDS_P1","value":"12.5"}]}"#;
    assert_eq!(
        decode(BOX, "application/json", airrohr),
        ["5f0c1f2a SDS pm10 12.5 ug/m3 2026-01-15T12:00:00Z"]
    );
    let hackair = r#"{"reading":{"PM2.5_AirPollutantValue":"7.9"},"tamper":"0"}"#;
    let expected =
        ["5f0c1f2a  pm2_5 7.9 ug/m3 2026-01-15T12:00:00Z", "5f0c1f2a  tamper 0 - 2026-01-15T12:00:00Z"];
    assert_eq!(decode(BOX, "application/json", hackair), expected);
}

#[test]
fn an_address_without_a_box_has_the_sources_name() {
    let found = decode("/hooks/boxes", "application/json", r#"{"t1":1}"#);
    assert_eq!(found, ["boxes  temperature 1 Cel 2026-01-15T12:00:00Z"]);
}

#[test]
fn what_is_no_message_is_refused() {
    let refused = |content_type: &str, body: &str| {
        Opensensemap.inspect(&request(BOX, content_type, body), &Profile::default()).unwrap_err()
    };
    assert!(matches!(
        refused("application/json", "3"),
        FormError::Malformed(_) | FormError::Unprocessable(_)
    ));
    assert!(matches!(refused("application/json", "{"), FormError::Malformed(_)));
    assert!(matches!(refused("text/csv", " \n"), FormError::Malformed(_)));
    assert!(matches!(refused("application/sbx-bytes", "x"), FormError::UnsupportedMediaType { .. }));
}
