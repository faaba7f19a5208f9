use event_model::{RecordedRequest, Value};

use super::Airthings;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder as _;
use crate::testing::Decoded;

fn request(body: &str) -> RecordedRequest {
    let request = format!("POST /hooks/air HTTP/1.1\ncontent-type: application/json\n\n{body}");
    RecordedRequest::parse(request.as_bytes()).unwrap()
}

fn event(kind: &str, data: &str) -> String {
    format!(
        r#"{{"id":"e-1","type":"airthings-webhook-cloudevent-{kind}","data":{data},"time":"2026-01-15T11:59:59Z","specVersion":"0.2"}}"#
    )
}

fn decode(body: &str) -> Decoded {
    let profile = Profile { source: "air".into(), ..Profile::default() };
    let context = Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap());
    Airthings.decode(&request(body), context).unwrap_or_else(|error| error.0.into()).into()
}

/// Each reading as `device metric value unit time`.
fn rows(decoded: &Decoded) -> Vec<String> {
    let row = |reading: &crate::testing::Reading| {
        let Value::Number(value) = reading.value else { panic!("{reading:?} is a number") };
        let unit = reading.unit.as_deref().unwrap_or("-");
        format!("{} {} {value} {unit} {}", reading.device, reading.metric, reading.observed_at)
    };
    decoded.readings.iter().map(row).collect()
}

#[test]
fn each_sample_has_its_device_its_time_and_its_units() {
    let data = r#"[{"serialNumber":"2960000001","recorded":"2026-01-15T10:55:00","temp":72.5,"humidity":41,"voc":98,"pm25":4,
        "radonShortTermAvg":0.5,"battery":88,"rssi":-60,"ratings":{"temp":"GOOD"},
        "sensorUnits":{"temp":"f","radonShortTermAvg":"pci","voc":"ppb","pm25":"mgpc"}},
        {"serialNumber":"2960000002","recorded":"2026-01-15T10:00:00Z","hourlyRadon":24,"sla":41,"sensorUnits":{"hourlyRadon":"bq","sla":"dBA"}}]"#;
    let decoded = decode(&event("sample-feed", data));
    let expected = [
        "2960000001 temperature 22.5 Cel 2026-01-15T10:55:00Z",
        "2960000001 relative_humidity 41 %RH 2026-01-15T10:55:00Z",
        "2960000001 tvoc 98 ppb 2026-01-15T10:55:00Z",
        "2960000001 pm2_5 4 ug/m3 2026-01-15T10:55:00Z",
        "2960000001 radon_24h 18.5 Bq/m3 2026-01-15T10:55:00Z",
        "2960000001 battery_level 88 %EL 2026-01-15T10:55:00Z",
        "2960000002 radon 24 Bq/m3 2026-01-15T10:00:00Z",
        "2960000002 sound_level 41 dB 2026-01-15T10:00:00Z",
    ];
    assert_eq!(rows(&decoded), expected);
    assert!(decoded.problems.is_empty(), "{:?}", decoded.problems);
}

#[test]
fn an_event_has_its_id_and_where_it_has_one_its_device() {
    let inspect =
        |data: &str| Airthings.inspect(&request(&event("sample-feed", data)), &Profile::default()).unwrap();
    let of = |device: Option<&str>| Inspection {
        device: device.map(str::to_owned),
        message_id: Some("e-1".to_owned()),
        ..Inspection::default()
    };
    assert_eq!(inspect(r#"[{"serialNumber":"a"},{"serialNumber":"a"}]"#), of(Some("a")));
    assert_eq!(inspect(r#"[{"serialNumber":"a"},{"serialNumber":"b"}]"#), of(None));
    assert_eq!(inspect(r#"{"serialNumber":"a"}"#), of(Some("a")));
    assert_eq!(inspect("[]"), of(None));
}

#[test]
fn what_tells_of_no_sample_gives_no_reading() {
    let decoded = decode(&event("device-offline", r#"[{"serialNumber":"a","lastSeen":7}]"#));
    assert!(decoded.readings.is_empty() && decoded.problems.is_empty());
}

#[test]
fn a_sample_that_makes_no_sense_is_a_problem_and_the_others_are_read() {
    let decoded = decode(&event("sample-feed", r#"[7,{"serialNumber":"a","temp":"warm"},{"temp":21}]"#));
    assert_eq!(rows(&decoded), ["air temperature 21 Cel 2026-01-15T12:00:00Z"]);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["data[0]", "data[1].temp"]);
}

#[test]
fn what_is_no_event_is_refused() {
    let refused = |body: &str| Airthings.inspect(&request(body), &Profile::default()).unwrap_err();
    assert!(matches!(refused(r#"{"id":"1"}"#), FormError::Unprocessable(_)));
    assert!(matches!(refused("{"), FormError::Malformed(_)));
}
