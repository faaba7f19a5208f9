use event_model::{Quality, RecordedRequest, Value};

use super::SenmlJson;
use crate::decode::{Context, DecodeError, FormError, Profile};
use crate::format::Decoder as _;
use crate::testing::Decoded;

fn post(content_type: &str, body: &str) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_owned().into(),
        ..RecordedRequest::default()
    }
}

fn decode(body: &str) -> Result<Decoded, DecodeError> {
    let profile = Profile { source: "s".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    SenmlJson
        .decode(
            &post("application/senml+json", body),
            Context { raw_names: true, ..Context::new(&profile, received_at) },
        )
        .map(Into::into)
}

fn inspect(body: &str) -> Result<(), FormError> {
    SenmlJson.inspect(&post("application/senml+json", body), &Profile::default()).map(|_| ())
}

#[test]
fn base_fields_hold_until_they_are_set_again() {
    let decoded = decode(
        r#"[{"bn":"a:","bt":1735689600,"bu":"Cel","bv":20,"n":"temp","v":1},{"n":"temp","t":60,"v":2},
            {"bn":"b/","bv":0,"n":"temp","v":3}]"#,
    )
    .unwrap();
    let rows: Vec<_> = decoded
        .readings
        .iter()
        .map(|reading| {
            (reading.device.as_str(), reading.value.as_number().unwrap(), reading.observed_at.to_string())
        })
        .collect();
    assert_eq!(rows[0], ("a", 21.0, "2025-01-01T00:00:00Z".into()));
    assert_eq!(rows[1], ("a", 22.0, "2025-01-01T00:01:00Z".into()));
    assert_eq!(rows[2], ("b", 3.0, "2025-01-01T00:00:00Z".into()));
}

#[test]
fn a_base_unit_is_for_quantities() {
    let decoded = decode(
        r#"[{"bn":"a:","bu":"Cel","n":"temp","v":1},{"n":"label","vs":"Machine Room"},{"n":"open","vb":true},
            {"n":"raw","vd":"aGk"},{"n":"probe","vs":"21.5"},{"n":"spare","vs":"--"}]"#,
    )
    .unwrap();
    let rows: Vec<_> = decoded
        .readings
        .iter()
        .map(|reading| (reading.metric.as_str(), &reading.value, reading.unit.as_deref()))
        .collect();
    let expected = [
        ("temperature", &Value::Number(1.0), Some("Cel")),
        ("label", &Value::Text("Machine Room".into()), None),
        ("open", &Value::Flag(true), None),
        ("raw", &Value::Bytes(b"hi".into()), None),
        ("probe", &Value::Number(21.5), Some("Cel")),
    ];
    assert_eq!(rows, expected);
    assert!(decoded.problems.is_empty());
}

#[test]
fn a_record_with_a_repeated_label_is_flagged() {
    let decoded =
        decode(r#"[{"bn":"a:","n":"x","u":"V","t":-1,"v":1,"v":2},{"n":"y","u":"V","t":-1,"v":3}]"#).unwrap();
    assert_eq!(decoded.readings[0].value, Value::Number(2.0));
    assert_eq!(decoded.readings[0].flags, ["duplicate_key"]);
    assert!(decoded.readings[1].flags.is_empty());
}

#[test]
fn an_empty_unit_is_none() {
    let decoded = decode(
        r#"[{"bn":"a:","n":"level","u":"","v":3},{"n":"temp","u":"","v":21},{"n":"x","bu":"V","u":"","v":1}]"#,
    )
    .unwrap();
    let units: Vec<_> = decoded.readings.iter().map(|reading| reading.unit.as_deref()).collect();
    assert_eq!(units, [None, Some("Cel"), Some("V")]);
    assert!(!decoded.readings[0].flags.contains(&"unknown_unit"));
}

#[test]
fn a_path_of_lwm2m_is_a_name() {
    let decoded = decode(
        r#"[{"bn":"/3303/0/","n":"5700","u":"Cel","v":21.5},{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"}]"#,
    )
    .unwrap();
    let rows: Vec<_> =
        decoded.readings.iter().map(|reading| (reading.device.as_str(), reading.metric.as_str())).collect();
    assert_eq!(rows, [("/3303/0", "5700"), ("/3/0", "0")]);
    assert!(decoded.problems.is_empty());
}

#[test]
fn a_sum_is_a_metric_of_its_own() {
    let decoded = decode(r#"[{"bn":"m:","n":"power","u":"W","v":230,"s":1500}]"#).unwrap();
    let metrics: Vec<_> =
        decoded.readings.iter().map(|reading| (reading.metric.as_str(), reading.unit.as_deref())).collect();
    assert_eq!(metrics, [("power", Some("W")), ("power_sum", Some("W.s"))]);
    assert_eq!(decoded.readings[1].value, Value::Number(1500.0));
}

#[test]
fn a_bad_record_leaves_its_neighbours_alone() {
    let decoded = decode(
        r#"[{"n":"a","u":"V","v":1},{"n":"b","v":"x"},{"n":"c","v":1,"vs":"y"},{"n":"d"},{"n":"e f","v":1},7,
            {"n":"g","vd":"*"},{"n":"h","u":"V","vs":"hot"},{"n":"i","v":null}]"#,
    )
    .unwrap();
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[1].v", "[2].v", "[3].v", "[4].n", "[5]", "[6].vd", "[7].vs"]);
    assert_eq!(decoded.problems[0].reason, "expected a number, found a string");
}

#[test]
fn a_base_field_of_the_wrong_type_takes_the_whole_pack_out() {
    let error = decode(r#"[{"bn":"a:","bt":"yesterday","n":"t","v":1}]"#).unwrap_err();
    assert_eq!(error.to_string(), "[0].bt: expected a number, found a string");
}

#[test]
fn a_pack_of_a_later_version_is_refused() {
    assert!(inspect(r#"[{"bver":10,"n":"a","v":1}]"#).is_ok());
    for pack in [
        r#"[{"bver":11,"n":"a","v":1}]"#,
        r#"[{"bver":"5","n":"a","v":1}]"#,
        r#"[{"bver":5,"n":"a","v":1},{"bver":6,"n":"a","v":1}]"#,
        r#"[{"n":"a","v":1},{"n":"a","v":1,"must_":true}]"#,
        "[]",
        "{}",
    ] {
        assert!(matches!(inspect(pack), Err(FormError::Unprocessable(_))), "{pack}");
    }
    assert!(matches!(inspect("[{"), Err(FormError::Malformed(_))));
}

#[test]
fn a_stream_that_was_cut_off_is_read_to_its_last_record() {
    let body = "[{\"n\":\"a\",\"v\":1},\n{\"n\":\"b\",\"v\":2},\n";
    assert!(SenmlJson.inspect(&post("application/sensml+json", body), &Profile::default()).is_ok());
    assert!(SenmlJson.inspect(&post("application/senml+json", body), &Profile::default()).is_err());
}

#[test]
fn of_a_stream_that_ends_within_a_record_the_whole_ones_are_stored() {
    let request = post("application/sensml+json", r#"[{"n":"a","u":"V","v":1},{"n":"b","u":"V","v":"#);
    let profile = Profile { source: "s".into(), ..Profile::default() };
    assert!(SenmlJson.inspect(&request, &profile).is_ok());
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let decoded: Decoded = SenmlJson
        .decode(&request, Context { raw_names: true, ..Context::new(&profile, received_at) })
        .unwrap()
        .into();
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.problems.len(), 1);
    assert_eq!(
        (decoded.problems[0].place.as_str(), decoded.problems[0].reason.as_str()),
        ("[1]", "the stream ends within the record")
    );
}

#[test]
fn a_time_that_cannot_be_right_becomes_the_receive_time() {
    let decoded =
        decode(r#"[{"n":"a","u":"V","bt":300000000,"v":1},{"n":"b","u":"V","bt":4e9,"v":1,"s":2}]"#).unwrap();
    assert_eq!(decoded.readings.len(), 3);
    for reading in &decoded.readings {
        assert_eq!((reading.quality, &reading.flags[..]), (Quality::Uncertain, &["time_implausible"][..]));
        assert_eq!(reading.observed_at.to_string(), "2026-01-15T12:00:00Z");
    }
}

#[test]
fn a_unit_is_the_registrys() {
    let decoded = decode(
        r#"[{"bn":"a:","n":"charge","u":"C","v":0.5},{"n":"cap","u":"F","v":100},{"n":"t","u":"Cel","v":1}]"#,
    )
    .unwrap();
    let rows: Vec<_> = decoded.readings.iter().map(|r| (r.value.as_number(), r.unit.as_deref())).collect();
    assert_eq!(rows, [(Some(0.5), Some("C")), (Some(100.0), Some("F")), (Some(1.0), Some("Cel"))]);
}

#[test]
fn a_name_that_comes_twice_at_one_time_is_reported() {
    let decoded =
        decode(r#"[{"bn":"a:","n":"x","t":1276020076,"v":1},{"n":"x","t":1276020076,"v":2}]"#).unwrap();
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.problems.len(), 1);
}
