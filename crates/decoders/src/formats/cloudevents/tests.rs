use event_model::{RecordedRequest, Value};

use super::CloudEvents;
use crate::decode::{Context, DecodeError, FormError, Profile};
use crate::format::Decoder as _;
use crate::mapping::{Mapping, MetricMapping};
use crate::options::Options;
use crate::testing::Decoded;

fn post(headers: &[(&str, &str)], body: &str) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        body: body.to_owned().into(),
        ..RecordedRequest::default()
    }
}

const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json; charset=utf-8");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

fn decode(request: &RecordedRequest) -> Result<Decoded, DecodeError> {
    let profile = Profile { source: "s".into(), ..Profile::default() };
    CloudEvents
        .decode(
            request,
            Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) },
        )
        .map(Into::into)
}

fn inspect(request: &RecordedRequest) -> Result<crate::Inspection, FormError> {
    CloudEvents.inspect(request, &Profile::default())
}

fn event(more: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/site","type":"com.example.reading"{more}}}"#)
}

#[test]
fn one_event_says_the_same_in_both_modes() {
    let structured = post(
        &[STRUCTURED],
        &event(r#","subject":"gh 1","time":"2026-01-15T11:00:00Z","data":{"temperature":21.5}"#),
    );
    let binary = post(
        &[
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/site"),
            ("ce-type", "com.example.reading"),
            ("ce-subject", "gh%201"),
            ("ce-time", "2026-01-15T11:00:00Z"),
        ],
        r#"{"temperature":21.5}"#,
    );
    assert_eq!(inspect(&structured), inspect(&binary));
    assert_eq!(inspect(&binary).unwrap().message_id.as_deref(), Some("/site 1"));
    let spaced =
        event(r#", "data" : { "temperature" : 21.5 },"time":"2026-01-15T11:00:00Z","subject":"gh 1""#);
    assert_eq!(inspect(&post(&[STRUCTURED], &spaced)), inspect(&binary));
    let other = post(&[STRUCTURED], &event(r#","subject":"gh 1","data":{"temperature":21.6}"#));
    assert_ne!(inspect(&other).unwrap().content, inspect(&binary).unwrap().content);
    let decoded = decode(&structured).unwrap();
    assert_eq!(decoded, decode(&binary).unwrap());
    assert_eq!(decoded.readings[0].device, "gh 1");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00Z");
    assert!(!decoded.readings[0].flags.contains(&"time_received"));
}

#[test]
fn a_bad_event_of_a_batch_is_a_problem_of_its_own() {
    let body = format!(
        "[{},{},{}]",
        event(r#","data_base64":"no base64""#),
        event(r#","data":{"humidity":40}"#),
        event(r#","data":7"#),
    );
    let request = post(&[BATCH], &body);
    assert!(inspect(&request).is_ok());
    let decoded = decode(&request).unwrap();
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["event 1", "event 3: data"]);
}

#[test]
fn what_is_no_event_at_all_is_refused() {
    let wrong_version = event("").replace("1.0", "0.3");
    for (content_type, body) in [
        (STRUCTURED, wrong_version.as_str()),
        (STRUCTURED, "{"),
        (STRUCTURED, r#"{"specversion":"1.0","id":"","source":"/a","type":"b"}"#),
        (BATCH, "{}"),
        (BATCH, "[7]"),
    ] {
        assert!(matches!(inspect(&post(&[content_type], body)), Err(FormError::Malformed(_))), "{body}");
    }
    for content_type in ["application/json", "application/cloudevents+xml", "text/plain"] {
        let refused = inspect(&post(&[("content-type", content_type)], "{}"));
        assert!(matches!(refused, Err(FormError::UnsupportedMediaType { .. })), "{content_type}");
    }
}

#[test]
fn an_event_without_fields_holds_no_reading() {
    for more in [
        "",
        r#","datacontenttype":"text/plain","data":"hello""#,
        r#","datacontenttype":"image/png","data_base64":"AAAA""#,
        r#","data":null"#,
        r#","data":"I'm just a string""#,
    ] {
        let decoded = decode(&post(&[STRUCTURED], &event(more))).unwrap();
        assert_eq!(decoded, Decoded::default(), "{more}");
    }
    for more in [r#","data":21.5"#, r#","data":"21.5""#, r#","data":"{\"temperature\":21.5}""#] {
        assert!(decode(&post(&[STRUCTURED], &event(more))).is_err(), "{more}");
    }
}

#[test]
fn binary_data_without_a_content_type_is_json_only_where_the_mapping_says_so() {
    let attributes = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/site"),
        ("ce-type", "com.example.reading"),
    ];
    let encoded = event(r#","data_base64":"eyJodW1pZGl0eSI6NDB9""#);
    for request in [
        post(&attributes, r#"{"humidity":40}"#),
        post(&[STRUCTURED], &encoded),
        post(&[BATCH], &format!("[{encoded}]")),
    ] {
        assert_eq!(decode(&request).unwrap(), Decoded::default());
        let mapping = Mapping { untyped_is_json: true, ..Mapping::default() };
        let profile = Profile { source: "s".into(), options: Options::new(mapping), ..Profile::default() };
        let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
        let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
        let decoded: Decoded = CloudEvents.decode(&request, context).unwrap().into();
        assert_eq!(decoded.readings[0].metric, "relative_humidity");
    }
}

#[test]
fn a_bare_number_is_taken_where_the_mapping_names_it() {
    let value = MetricMapping { value: String::new(), ..MetricMapping::default() };
    let mapping = Mapping { metrics: [("temperature".into(), value)].into(), ..Mapping::default() };
    let profile = Profile { source: "s".into(), options: Options::new(mapping), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    let decode = |data: &str| CloudEvents.decode(&post(&[STRUCTURED], &event(data)), context);
    for data in [r#","data":21.5"#, r#","data":"21.5 °C""#] {
        let decoded: Decoded = decode(data).unwrap().into();
        assert_eq!(decoded.readings[0].value, Value::Number(21.5), "{data}");
    }
    let problems = decode(r#","data":{"t":1}"#).unwrap().problems;
    assert_eq!((problems[0].place.as_str(), problems.count()), ("data", 1));
    assert_eq!(decode(r#","data":null"#).unwrap(), crate::Decoded::default());
}

#[test]
fn data_that_breaks_its_content_type_is_a_problem_with_its_place() {
    let request = post(
        &[
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/site"),
            ("ce-type", "t"),
        ],
        "{\"a\":",
    );
    assert!(decode(&request).unwrap_err().to_string().starts_with("data: not JSON"));
}
