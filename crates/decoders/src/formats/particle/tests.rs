use event_model::{Quality, RecordedRequest, Value};

use super::Particle;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(head: &str, content_type: &str, body: &str) -> RecordedRequest {
    RecordedRequest::parse(format!("{head} HTTP/1.1\ncontent-type: {content_type}\n\n{body}").as_bytes())
        .unwrap()
}

fn form(body: &str) -> RecordedRequest {
    request("POST /hooks/cloud", "application/x-www-form-urlencoded", body)
}

fn json(body: &str) -> RecordedRequest {
    request("POST /hooks/cloud", "application/json", body)
}

fn decode(request: &RecordedRequest) -> Decoded {
    let profile = Profile { source: "cloud".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    Particle.decode(request, context).unwrap().into()
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value, Option<&str>)> {
    assert_eq!(decoded.problems, []);
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

const fn number(value: f64) -> Value {
    Value::Number(value)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const TAIL: &str = "&published_at=2026-01-15T11:00:00.250Z&coreid=e00fce680000000000000001";

#[test]
fn a_single_value_has_the_name_of_its_event() {
    for (event, data, expected) in [
        ("temp", "21.5", ("", "temperature", number(21.5), Some("Cel"))),
        ("Temperature/Attic", "21.5 C", ("", "temperature_attic", number(21.5), Some("Cel"))),
        ("plant/moved", "yes", ("", "plant_moved", text("yes"), None)),
        ("spark/status", "online", ("", "spark_status", text("online"), None)),
    ] {
        let decoded = decode(&form(&format!("event={event}&data={data}{TAIL}")));
        assert_eq!(rows(&decoded), [expected], "{event}");
        assert_eq!(decoded.readings[0].device, "e00fce680000000000000001");
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00.25Z");
    }
    for data in ["", "null", "nan"] {
        assert_eq!(decode(&form(&format!("event=temp&data={data}{TAIL}"))).readings, []);
    }
}

#[test]
fn json_in_the_data_is_read() {
    let data = "%7B%22tempc%22%3A21.5%2C%22air%22%3A%7B%22hum%22%3A%2244%22%7D%2C%22lat%22%3A48.1%2C%22lon%22%3A11.5%2C%22rssi%22%3A-70%7D";
    let expected = [
        ("", "temperature", number(21.5), Some("Cel")),
        ("air", "relative_humidity", number(44.0), Some("%RH")),
    ];
    assert_eq!(rows(&decode(&form(&format!("event=env&data={data}{TAIL}")))), expected);
    let decoded = decode(&json(
        r#"{"event":"env","data":{"tags":{"room":"attic"},"values":{"temp_c":21.5}},"ttl":60,"public":false,"userid":"u",
        "fw_version":3,"published_at":"2026-01-15T11:00:00Z","coreid":"d","name":"sensor","measurement":""}"#,
    ));
    assert_eq!(rows(&decoded), [("", "temperature", number(21.5), Some("Cel"))]);
    assert_eq!(decoded.tags, [("d".to_owned(), "room".to_owned(), "attic".to_owned())]);
    let decoded = decode(&json(
        r#"{"data":"{&quot;temp&quot;:21.5,&quot;note&quot;:&quot;a&amp;b&#x2F;c&quot;}","coreid":"d"}"#,
    ));
    let expected = [("", "temperature", number(21.5), Some("Cel")), ("", "note", text("a&b/c"), None)];
    assert_eq!(rows(&decoded), expected);
    let decoded = decode(&json(r#"{"event":"levels","data":"[1,null,3]","coreid":"d"}"#));
    assert_eq!(rows(&decoded), [("0", "levels", number(1.0), None), ("2", "levels", number(3.0), None)]);
    let decoded = decode(&json(r#"{"event":"on","data":true,"coreid":"d"}"#));
    assert_eq!(rows(&decoded), [("", "on", Value::Flag(true), None)]);
}

#[test]
fn what_begins_as_json_and_is_none_is_a_doubtful_text() {
    for data in [r#"{"t":nan}"#, "[1,", r#"{"t":"#] {
        let decoded = decode(&form(&format!("event=env&data={data}{TAIL}")));
        assert_eq!(rows(&decoded), [("", "env", text(data), None)]);
        assert_eq!(
            (decoded.readings[0].quality, decoded.readings[0].flags.as_slice()),
            (Quality::Uncertain, ["not_json"].as_slice())
        );
    }
}

#[test]
fn a_template_of_a_users_own_has_its_values_beside_the_envelope() {
    let decoded = decode(&json(
        r#"{"deviceId":"d","created_at":"2026-01-15T11:00:00Z","eventName":"x","product_id":"12","indoorTemp":"21.5","humidity":"40",
        "Temperature/Attic":"20.00","missing":"","coordinates":{"lng":"11.5","lat":"48.1"}}"#,
    ));
    let expected = [
        ("", "indoor_temp", number(21.5), None),
        ("", "relative_humidity", number(40.0), Some("%RH")),
        ("", "temperature_attic", number(20.0), None),
    ];
    assert_eq!(rows(&decoded), expected);
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00Z");
    let get = RecordedRequest {
        method: "GET".into(),
        query: "coreid=d&temp=20".into(),
        ..RecordedRequest::default()
    };
    assert_eq!(decode(&get).readings[0].device, "d");
    let beside = request("POST /hooks/cloud?coreid=d", "application/json", r#"{"temp":20}"#);
    assert_eq!(decode(&beside).readings[0].device, "d");
    let decoded = decode(&json(r#"{"coreid":"","temp":20}"#));
    assert_eq!(
        (decoded.readings[0].device.as_str(), decoded.readings[0].flags.contains(&"time_received")),
        ("cloud", true)
    );
}

#[test]
fn the_clouds_id_of_an_event_is_that_of_the_message() {
    let inspect = |body: &str| Particle.inspect(&json(body), &Profile::default()).unwrap();
    let inspection = inspect(r#"{"event_id":"e-1","coreid":"d","data":"1"}"#);
    assert_eq!((inspection.message_id.as_deref(), inspection.device.as_deref()), (Some("e-1"), Some("d")));
    assert_eq!(inspect(r#"{"event_id":"","coreid":"d","data":"1"}"#).message_id, None);
    assert_eq!(inspect(r#"[{"coreid":"d"},{"coreid":"d"}]"#).device, None);
}

#[test]
fn one_bad_event_or_field_does_not_lose_the_good_ones() {
    let decoded = decode(&json(
        r#"[3,{"coreid":"a","data":{"temp":"warm","hum":40}},{"coreid":"b\u0000","data":"1"},{"coreid":"c","event":"temp","data":"hot"},{"coreid":"d","event":"n","data":1e999}]"#,
    ));
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[0]", "[1].data.temp", "[2].coreid", "[3].data", "[4].data"]);
}

#[test]
fn what_is_no_event_is_refused() {
    let refused = |request: &RecordedRequest| Particle.parse(request).err().unwrap();
    assert!(matches!(refused(&json("{")), FormError::Malformed(_)));
    assert!(matches!(refused(&form("")), FormError::Malformed(_)));
    assert!(matches!(refused(&json("3")), FormError::Unprocessable(_)));
    assert!(matches!(refused(&request("POST /", "image/png", "x")), FormError::UnsupportedMediaType { .. }));
    assert!(matches!(
        refused(&request("DELETE /", "application/json", "{}")),
        FormError::MethodNotAllowed { .. }
    ));
}
