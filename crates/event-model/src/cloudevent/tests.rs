//! Conformance cases of CloudEvents 1.0: spec.md, json-format.md, http-protocol-binding.md.

use cloudevents::AttributesReader as _;
use cloudevents::event::{Data, ExtensionValue};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    EventError, batch, bytes, effect, extension, first_unsafe_attribute, from_binary,
    from_binary_percent_encoded, from_structured, json as json_of, new, set_json, set_time, time, to_binary,
};

fn minimal_with(extra: &[(&str, Value)]) -> Vec<u8> {
    let mut object = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
    for (name, value) in extra {
        object[*name] = value.clone();
    }
    object.to_string().into_bytes()
}

const MINIMAL: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];

fn binary_with(
    extra: &[(&'static str, &'static str)],
    body: &[u8],
) -> Result<cloudevents::Event, EventError> {
    from_binary(MINIMAL.iter().chain(extra).copied(), body)
}

#[test]
fn structured_events_outside_the_specification_are_refused() {
    let cases: [(&str, Value); 18] = [
        ("id", json!("")),
        ("id", json!(7)),
        ("source", json!("")),
        ("source", json!("a b")),
        ("source", json!("/a%zz")),
        ("type", json!("")),
        ("type", json!(null)),
        ("specversion", json!("0.3")),
        ("subject", json!("")),
        ("time", json!("yesterday")),
        ("time", json!("2026-01-15 12:00")),
        ("dataschema", json!("relative/path")),
        ("datacontenttype", json!("nonsense")),
        ("Upper", json!("x")),
        ("with-dash", json!("x")),
        ("toobig", json!(3_000_000_000_i64)),
        ("fraction", json!(1.5)),
        ("list", json!([1])),
    ];
    for (name, value) in cases {
        let event = from_structured(&minimal_with(&[(name, value.clone())]));
        assert!(event.is_err(), "{name} = {value}: {event:?}");
    }
}

#[test]
fn structured_texts_that_are_no_object_are_refused() {
    for text in ["", "null", "[]", "\"x\"", "{", "{\"id\":\"1\"}", "{} x"] {
        assert!(from_structured(text.as_bytes()).is_err(), "{text}");
    }
    let batch = from_structured(b" [{}]").unwrap_err().to_string();
    assert!(batch.contains("application/cloudevents-batch+json"), "{batch}");
    let twice = br#"{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}"#;
    assert_eq!(from_structured(twice), Err(EventError::Duplicate("id".to_owned())));
    let both = minimal_with(&[("data", json!(1)), ("data_base64", json!("AQ=="))]);
    assert!(matches!(from_structured(&both), Err(EventError::Data(_))));
}

#[test]
fn data_of_a_structured_event_is_what_its_content_type_says() {
    let cases: [(Value, Value, Option<&[u8]>); 7] = [
        (json!(null), json!({"a": 1}), Some(br#"{"a":1}"#)),
        (json!("application/json"), json!("text"), Some(br#""text""#)),
        (json!("APPLICATION/JSON; charset=utf-8"), json!(null), Some(b"null")),
        (json!("application/vnd.x+json"), json!([1]), Some(b"[1]")),
        (json!("text/plain"), json!("a\nb"), Some(b"a\nb")),
        (json!("text/plain"), json!(null), None),
        (json!("text/plain"), json!({"a": 1}), Some(br#"{"a":1}"#)),
    ];
    for (content_type, data, expected) in cases {
        let text = minimal_with(&[("datacontenttype", content_type.clone()), ("data", data.clone())]);
        let event = from_structured(&text).unwrap();
        assert_eq!(bytes(&event).as_deref(), expected, "{content_type} {data}");
    }
    let event = from_structured(&minimal_with(&[("data_base64", json!("AAEC"))])).unwrap();
    assert_eq!(bytes(&event).as_deref(), Some([0, 1, 2].as_slice()));
    assert_eq!(
        from_structured(&minimal_with(&[("data", json!(1))])).unwrap().datacontenttype(),
        Some("application/json")
    );
}

#[test]
fn extensions_keep_their_type_and_null_is_absent() {
    let text = minimal_with(&[
        ("flag", json!(true)),
        ("count", json!(-5)),
        ("name", json!("ä b")),
        ("gone", json!(null)),
    ]);
    let event = from_structured(&text).unwrap();
    assert_eq!(event.extension("flag"), Some(&ExtensionValue::Boolean(true)));
    assert_eq!(event.extension("count"), Some(&ExtensionValue::Integer(-5)));
    assert_eq!(extension(&event, "name").as_deref(), Some("ä b"));
    assert_eq!(event.extension("gone"), None);
}

#[test]
fn one_bad_event_of_a_batch_leaves_its_neighbours_alone() {
    let text = br#"[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"id":""},7]"#;
    let events = batch(text).unwrap();
    assert_eq!(events.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(batch(b"[]"), Ok(vec![]));
    assert!(batch(b"{}").is_err());
}

#[test]
fn binary_events_outside_the_specification_are_refused() {
    let cases: [&[(&str, &str)]; 6] = [
        &[("ce-id", "again")],
        &[("ce-Upper", "x")],
        &[("ce-with-dash", "x")],
        &[("ce-time", "noon")],
        &[("ce-datacontenttype", "text/plain")],
        &[("content-type", "nonsense")],
    ];
    for extra in cases {
        assert!(binary_with(extra, b"").is_err(), "{extra:?}");
    }
    for left_out in MINIMAL {
        let headers = MINIMAL.into_iter().filter(|field| *field != left_out);
        assert!(from_binary(headers, b"").is_err(), "without {}", left_out.0);
    }
}

#[test]
fn knative_values_are_literal_and_those_of_the_http_binding_are_decoded() {
    let headers = || MINIMAL.iter().chain(&[("ce-name", "a%20%C3%A4")]).copied();
    assert_eq!(extension(&from_binary(headers(), b"").unwrap(), "name").as_deref(), Some("a%20%C3%A4"));
    assert_eq!(
        extension(&from_binary_percent_encoded(headers(), b"").unwrap(), "name").as_deref(),
        Some("a ä")
    );
    let name = |value: &'static str| {
        let event = from_binary_percent_encoded(MINIMAL.iter().chain(&[("ce-name", value)]).copied(), b"")?;
        Ok::<_, super::EventError>(extension(&event, "name").map(std::borrow::Cow::into_owned))
    };
    for (written, meant) in [
        ("40%", "40%"),
        ("40%zz", "40%zz"),
        ("Euro%20%e2%82%AC", "Euro \u{20ac}"),
        ("\"in \\\"quotes\\\", %E2%82%AC\"", "in \"quotes\", \u{20ac}"),
        ("\"", "\""),
    ] {
        assert_eq!(name(written).unwrap().as_deref(), Some(meant), "{written}");
    }
    assert!(name("%C0%A0").is_err(), "an overlong encoding of a space");
}

#[test]
fn what_is_written_in_binary_mode_is_read_back() {
    let mut event = binary_with(
        &[
            ("content-type", "application/json"),
            ("ce-time", "2026-01-15T13:00:00.5+01:00"),
            ("ce-subject", "dev%20ice"),
            ("ce-partitionkey", "k"),
        ],
        b"{\"a\":  1}",
    )
    .unwrap();
    assert_eq!(time(&event), "2026-01-15T12:00:00.5Z".parse::<Timestamp>().ok());
    let (headers, body) = to_binary(&event);
    assert_eq!(body, b"{\"a\":  1}");
    let fields = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    assert_eq!(from_binary(fields, body.as_slice()).as_ref(), Ok(&event));

    event.set_extension("place", "Zürich");
    let (headers, _) = to_binary(&event);
    assert!(headers.contains(&("ce-place".to_owned(), "Z%C3%BCrich".to_owned())));
}

#[test]
fn an_event_without_a_body_has_no_data() {
    let event = binary_with(&[], b"").unwrap();
    assert_eq!(event.data(), None);
    assert!(json_of::<Value>(&event).is_err());
    assert_eq!(to_binary(&event).1, b"");
}

#[test]
fn an_effect_is_named_once_and_keeps_the_partition_key() {
    let cause = binary_with(&[("ce-partitionkey", "k"), ("ce-knativekafkaoffset", "7")], b"").unwrap();
    let (one, two) = (effect(&cause, "u", "/x"), effect(&cause, "u", "/x"));
    assert_eq!(one, two);
    assert_eq!(extension(&one, "partitionkey").as_deref(), Some("k"));
    assert_eq!(one.extension("knativekafkaoffset"), None);
    assert_ne!(one.id(), effect(&cause, "v", "/x").id());
}

#[test]
fn attributes_that_a_broker_would_change_are_found() {
    let mut event = new("t", "/s", "1");
    set_json(&mut event, &json!({"free": "text ä"})).unwrap();
    set_time(&mut event, Timestamp::UNIX_EPOCH);
    assert_eq!(first_unsafe_attribute(&event), None);
    assert!(matches!(event.data(), Some(Data::Binary(_))));
    event.set_extension("name", "a b");
    assert_eq!(first_unsafe_attribute(&event).as_deref(), Some("name"));
}
