use event_model::{Quality, RecordedRequest, Value};

use super::FreshetReadings;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder as _;
use crate::testing::{Decoded, Reading};

const AT: &str = "2026-01-15T11:00:00.123456Z";

fn request(content_type: &str, body: &str) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.to_owned().into(),
        ..RecordedRequest::default()
    }
}

fn decode_as(content_type: &str, body: &str) -> Decoded {
    let profile = Profile { source: "copy".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    FreshetReadings
        .decode(&request(content_type, body), context)
        .unwrap_or_else(|error| error.0.into())
        .into()
}

fn decode(body: &str) -> Decoded {
    decode_as("application/json", body)
}

/// A line of the metric `m` with these columns beside it.
fn line(columns: &str) -> String {
    format!(r#"{{"device":"d","metric":"m","observed_at":"{AT}",{columns}}}"#)
}

fn reading(columns: &str) -> Reading {
    let mut decoded = decode(&line(columns));
    assert_eq!(decoded.problems, [], "{columns}");
    decoded.readings.remove(0)
}

#[test]
fn a_row_of_texts_is_the_row_of_the_view() {
    let decoded = decode(
        r#"{"source":"other","device":"Prüfstand","channel":"2","metric":"Temp (F)","observed_at":"2026-01-15T11:00:00.123456Z",
            "value":"212.0","text":"","unit":"[degF]","kind":"number","quality":"bad","received_at":"yesterday"}"#,
    );
    let expected = Reading {
        device: "Prüfstand".into(),
        channel: "2".into(),
        metric: "Temp (F)".into(),
        value: Value::Number(212.0),
        unit: Some("[degF]".into()),
        observed_at: AT.parse().unwrap(),
        quality: Quality::Bad,
        flags: Vec::new(),
        raw_metric: "Temp (F)".into(),
    };
    assert_eq!((decoded.readings, decoded.problems), (vec![expected], Vec::new()));
}

#[test]
fn each_kind_has_its_value() {
    for (columns, value) in [
        (r#""kind":"number","value":21.5"#, Value::Number(21.5)),
        (r#""kind":"number","value":"5e-324""#, Value::Number(5e-324)),
        (r#""kind":"number","value":"1.7976931348623157e308""#, Value::Number(f64::MAX)),
        (r#""kind":"number","value":"9007199254740992.0""#, Value::Number(9_007_199_254_740_992.0)),
        (r#""kind":"flag","value":"1.0""#, Value::Flag(true)),
        (r#""kind":"flag","value":0"#, Value::Flag(false)),
        (r#""kind":"flag","value":true"#, Value::Flag(true)),
        (r#""kind":"text","value":"","text":"21.5""#, Value::Text("21.5".into())),
        (r#""kind":"text","value":null,"text":"--""#, Value::Text("--".into())),
        (r#""kind":"text","text":"""#, Value::Text(String::new())),
        (r#""kind":"bytes","text":"00fF""#, Value::Bytes(vec![0, 255])),
        (r#""kind":"bytes","text":"""#, Value::Bytes(Vec::new())),
    ] {
        let reading = reading(columns);
        assert_eq!((reading.value, reading.quality), (value, Quality::Good), "{columns}");
        assert!(
            reading.flags.is_empty() && reading.unit.is_none() && reading.channel.is_empty(),
            "{columns}"
        );
    }
}

#[test]
fn the_sign_of_zero_is_kept() {
    let Value::Number(zero) = reading(r#""kind":"number","value":"-0.0""#).value else { panic!("a number") };
    assert!(zero == 0.0 && zero.is_sign_negative());
}

#[test]
fn what_makes_no_sense_is_a_problem_at_its_column() {
    for (columns, place) in [
        (r#""kind":"number","value":"""#, "value"),
        (r#""kind":"number","value":"1e999""#, "value"),
        (r#""kind":"number","value":"NaN""#, "value"),
        (r#""kind":"number","text":"1""#, "value"),
        (r#""kind":"flag","value":2"#, "value"),
        (r#""kind":"text","value":1"#, "text"),
        (r#""kind":"text","text":1"#, "text"),
        (r#""kind":"bytes","text":"abc""#, "text"),
        (r#""kind":"bytes","text":"zz""#, "text"),
        (r#""kind":"bytes","text":"+1""#, "text"),
        (r#""kind":"Number","value":1"#, "kind"),
        (r#""value":1"#, "kind"),
        (r#""kind":"flag","value":1,"quality":"fine""#, "quality"),
        (r#""kind":"flag","value":1,"metric":"""#, "metric"),
        (r#""kind":"flag","value":1,"metric":"a\u0007""#, "metric"),
        (r#""kind":"flag","value":1,"unit":"a\nb""#, "unit"),
        (r#""kind":"flag","value":1,"channel":["a"]"#, "channel"),
        (r#""kind":"flag","value":1,"device":"a\u0000""#, "device"),
        (r#""kind":"flag","value":1,"observed_at":"2026-01-15T11:00:00""#, "observed_at"),
        (r#""kind":"flag","value":1,"observed_at":"1999-12-31T23:59:59Z""#, "observed_at"),
        (r#""kind":"flag","value":1,"observed_at":"2026-01-16T12:00:01Z""#, "observed_at"),
        (r#""kind":"flag","value":1,"observed_at":null"#, "observed_at"),
    ] {
        let decoded = decode(&line(columns));
        assert!(decoded.readings.is_empty(), "{columns}");
        assert_eq!(
            decoded.problems.iter().map(|problem| &*problem.place).collect::<Vec<_>>(),
            [place],
            "{columns}"
        );
    }
}

#[test]
fn a_line_that_makes_no_sense_leaves_the_others_alone() {
    let (good, other) =
        (line(r#""kind":"flag","value":1"#), line(r#""kind":"flag","value":1,"channel":"c""#));
    let decoded = decode(&format!(r#"[{good},{{"device":"d"}},7,{other}]"#));
    let places: Vec<_> = decoded.problems.iter().map(|problem| &*problem.place).collect();
    assert_eq!((decoded.readings.len(), places), (2, vec!["[1].observed_at", "[2]"]));
    let decoded = decode_as("application/x-ndjson", &format!("{good}\n{{\n{{\"metric\":1}}\n{other}\n"));
    let places: Vec<_> = decoded.problems.iter().map(|problem| &*problem.place).collect();
    assert_eq!((decoded.readings.len(), places), (2, vec!["line 2", "line 3, observed_at"]));
}

#[test]
fn a_metric_may_have_values_in_two_units_and_of_two_kinds_at_one_time() {
    let lines = [
        r#""kind":"number","value":1,"unit":"Cel""#,
        r#""kind":"number","value":2,"unit":"K""#,
        r#""kind":"flag","value":1"#,
        r#""kind":"text","text":"1""#,
        r#""kind":"number","value":3,"unit":"K""#,
    ];
    let decoded = decode(&format!("[{}]", lines.map(line).join(",")));
    let values: Vec<_> = decoded.readings.iter().map(|reading| reading.value.clone()).collect();
    let text = Value::Text("1".into());
    assert_eq!(values, [Value::Number(1.0), Value::Flag(true), text, Value::Number(3.0)]);
    assert_eq!(decoded.problems.len(), 1, "{:?}", decoded.problems);
    assert!(
        decoded.problems[0].reason.ends_with("2 K, 3 K; the last one is stored"),
        "{:?}",
        decoded.problems
    );
}

#[test]
fn the_device_of_all_lines_is_found_before_they_are_read() {
    let inspect =
        |body: &str| FreshetReadings.inspect(&request("application/json", body), &Profile::default());
    let device = |body: &str| inspect(body).unwrap().device;
    let one = line(r#""kind":"flag","value":1"#);
    assert_eq!(device(&format!("[{one},{one}]")).as_deref(), Some("d"));
    assert_eq!(device(&format!(r#"[{one},{{"device":"e"}}]"#)), None);
    assert_eq!((device("[]"), device("{}")), (None, None));
    for body in ["7", "[7]", "null"] {
        assert!(matches!(inspect(body), Err(FormError::Unprocessable(_))), "{body}");
    }
}

#[test]
fn a_line_without_a_device_is_of_the_sources_name() {
    let decoded = decode(&line(r#""kind":"flag","value":1,"device":"""#));
    assert_eq!(decoded.readings[0].device, "copy");
    assert_eq!(decoded.readings[0].flags, ["duplicate_key"]);
}
