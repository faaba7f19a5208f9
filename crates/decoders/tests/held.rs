//! What a payload may come to: no more than 128 times its body, whatever its sender repeats in it. The largest body that
//! `ingest` takes unless it is configured otherwise has 768 KiB; an eighth of it is enough to see what grows faster.

use std::collections::{BTreeMap, HashSet};
use std::mem::size_of;

use decoders::{Context, Decoded, Mapping, MetricMapping, Options, Problem, Profile, by_name};
use event_model::{Name, Reading, RecordedRequest, Sample, Value};

/// The bodies below are of this size.
const BODY: usize = 96 * 1024;

/// The most that anything below may hold.
const BOUND: usize = 128 * BODY;

/// The bytes that a value holds, with what it has on the heap; a text that names share counts once.
fn held(decoded: &Decoded) -> usize {
    let mut texts = HashSet::new();
    let mut name =
        |name: &Name| if texts.insert(name.as_ptr()) { name.len() + 2 * size_of::<usize>() } else { 0 };
    let mut bytes = decoded.samples.capacity() * size_of::<Sample>()
        + decoded.problems.len() * size_of::<Problem>()
        + decoded.tags.capacity() * size_of::<(Name, String, String)>();
    for sample in &decoded.samples {
        bytes += name(&sample.device) + name(&sample.channel);
        bytes += sample.readings.capacity() * size_of::<Reading>();
        for reading in &sample.readings {
            bytes += name(&reading.metric) + reading.unit.as_ref().map_or(0, &mut name);
            bytes += reading.flags.capacity() * size_of::<&str>();
            bytes += reading.raw_metric.as_deref().map_or(0, str::len);
            bytes += match &reading.value {
                Value::Text(text) => text.capacity(),
                Value::Bytes(bytes) => bytes.capacity(),
                Value::Number(_) | Value::Flag(_) => 0,
            };
        }
    }
    bytes += decoded.problems.iter().map(|p| p.place.capacity() + p.reason.capacity()).sum::<usize>();
    bytes
        + decoded
            .tags
            .iter()
            .map(|(of, tag, text)| name(of) + tag.capacity() + text.capacity())
            .sum::<usize>()
}

/// `begin`, as many of `items` as a body holds with `between` them, and `end`.
fn filled(begin: &str, between: &str, end: &str, item: impl Fn(usize) -> String) -> String {
    let mut body = begin.to_owned();
    for index in 0.. {
        let item = item(index);
        if body.len() + between.len() + item.len() + end.len() > BODY {
            break;
        }
        if index > 0 {
            body.push_str(between);
        }
        body.push_str(&item);
    }
    body + end
}

fn check(case: &str, format: &str, content_type: &str, body: String, mapping: Option<Mapping>) {
    assert!(body.len() <= BODY, "{case}: {}", body.len());
    let request = RecordedRequest {
        method: "POST".into(),
        path: "/hooks/source".into(),
        query: "event=up".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.into(),
    };
    let options = mapping.map(Options::new).unwrap_or_default();
    let profile = Profile { source: "source".into(), options, ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().expect("a time");
    let context = Context { profile: &profile, received_at, raw_names: false };
    let decoded =
        by_name(format).expect("a format").decode(&request, context).unwrap_or_else(|error| error.0.into());
    let held = held(&decoded);
    assert!(held <= BOUND, "{case}: {held} bytes, {} samples", decoded.samples.len());
}

fn json(case: &str, body: String) {
    check(case, "json", "application/json", body, None);
}

/// A key of `bytes`, unlike that of another index.
fn key(bytes: usize, index: usize) -> String {
    let number = index.to_string();
    format!("{}{number}", "k".repeat(bytes - number.len()))
}

#[test]
fn objects_of_json() {
    json("small objects", filled("[", ",", "]", |_| r#"{"a":1}"#.into()));
    json("no objects", filled("[", ",", "]", |_| "1".into()));
    json("many devices", filled("[", ",", "]", |n| format!(r#"{{"mac":"{n}","a":1}}"#)));
    json("many times", filled("[", ",", "]", |n| format!(r#"{{"ts":{},"a":1}}"#, 1_700_000_000 + n)));
    json("texts", filled("[", ",", "]", |_| r#"{"a":"x"}"#.into()));
}

#[test]
fn values_that_take_each_others_place() {
    let pair = |n: usize| format!(r#"{{"ts":{},"a":{n}}}"#, 1_700_000_000 + n / 2);
    json("one moment", filled("[", ",", "]", |n| format!(r#"{{"a":{n}}}"#)));
    json("pairs", filled("[", ",", "]", pair));
    let long = key(500, 0);
    let mapping = Mapping {
        items: Some("/items".into()),
        device: vec!["^/gateway".into()],
        channel: Some("^/gateway".into()),
        time: vec!["/ts".into()],
        ..Mapping::default()
    };
    let body = filled(&format!(r#"{{"gateway":"{long}","items":["#), ",", "]}", pair);
    check("pairs of a long name", "json", "application/json", body, Some(mapping));
    let body = filled("", "\n", "", |n| format!("m,host=h,t={n} a={n} {}", n / 2));
    check("points", "influx_line_protocol", "text/plain", body, None);
    let body = filled(&format!(r#"[{{"bn":"{long}","v":1}},"#), ",", "]", |n| {
        format!(r#"{{"v":{n},"t":{}}}"#, n / 2)
    });
    check("records", "senml_json", "application/senml+json", body, None);
}

#[test]
fn long_keys_of_json() {
    json(
        "a key as long as the body",
        format!(r#"{{"{}":[{}1]}}"#, key(BODY - 8 * 1024, 0), "1,".repeat(998)),
    );
    json(
        "a key as long as a name",
        filled("[", ",", "]", |n| format!(r#"{{"{}":[{}1]}}"#, key(500, n), "1,".repeat(998))),
    );
    let channels: Vec<_> = (0..1000).map(|n| format!(r#""{n}":{{"a":1}}"#)).collect();
    json(
        "long channels",
        filled("[", ",", "]", |n| format!(r#"{{"{}":{{{}}}}}"#, key(500, n), channels.join(","))),
    );
    let nested: String = (0..90).map(|n| format!(r#"{{"{}":"#, key(900, n))).collect();
    json("nested", format!("{nested}{{{}}}{}", channels.join(","), "}".repeat(90)));
    let deep: String = (0..9).map(|n| format!(r#"{{"{}":"#, key(8_000, n))).collect();
    json("empty objects", filled(&format!("{deep}["), ",", &format!("]{}", "}".repeat(9)), |_| "{}".into()));
}

#[test]
fn what_a_mapping_takes_from_the_root() {
    let metric = |value: &str, unit_at: Option<&str>| MetricMapping {
        value: value.into(),
        unit_at: unit_at.map(Into::into),
        ..MetricMapping::default()
    };
    for (long, mapping) in [
        (
            "unit",
            Mapping {
                metrics: BTreeMap::from([("m".into(), metric("/a", Some("^/unit")))]),
                ..Mapping::default()
            },
        ),
        (
            "gateway",
            Mapping { device: vec!["^/gateway".into()], time: vec!["/a".into()], ..Mapping::default() },
        ),
        (
            "room",
            Mapping {
                channel: Some("^/room".into()),
                metrics: BTreeMap::from([("m".into(), metric("/a", None))]),
                ..Mapping::default()
            },
        ),
        (
            "text",
            Mapping { metrics: BTreeMap::from([("m".into(), metric("^/text", None))]), ..Mapping::default() },
        ),
    ] {
        for bytes in [500, BODY / 2] {
            let begin = format!(r#"{{"{long}":"{}","items":["#, key(bytes, 0));
            let body = filled(&begin, ",", "]}", |n| format!(r#"{{"a":{}}}"#, 1_700_000_000 + n));
            let mapping = Mapping { items: Some("/items".into()), ..mapping.clone() };
            check(&format!("{long} of {bytes} bytes"), "json", "application/json", body, Some(mapping));
        }
    }
}

#[test]
fn records_of_senml() {
    let senml = |case: &str, body| check(case, "senml_json", "application/senml+json", body, None);
    for bytes in [500, BODY / 2] {
        let long = key(bytes, 0);
        senml(
            "a long unit",
            filled(&format!(r#"[{{"bn":"a:","n":"m","bu":"{long}","v":1}},"#), ",", "]", |_| {
                r#"{"v":1}"#.into()
            }),
        );
        senml(
            "a long name",
            filled(&format!(r#"[{{"bn":"{long}","v":1}},"#), ",", "]", |n| format!(r#"{{"v":1,"t":{n}}}"#)),
        );
        senml(
            "long names",
            filled(&format!(r#"[{{"bn":"{long}","v":1}},"#), ",", "]", |n| format!(r#"{{"v":1,"n":"{n}"}}"#)),
        );
    }
    senml("sums", filled("[{\"bn\":\"a\",\"bu\":\"Cel\"},", ",", "]", |_| r#"{"v":1,"s":1}"#.into()));
    senml("no values", filled("[{\"bn\":\"a\"},", ",", "]", |_| "1".into()));
}

#[test]
fn lines_of_points() {
    let line = |case: &str, body| check(case, "influx_line_protocol", "text/plain", body, None);
    let fields: Vec<_> = (0..1000).map(|n| format!("{n}=1")).collect();
    let fields = fields.join(",");
    line("small points", filled("", "\n", "", |_| "m a=1".into()));
    line("many devices", filled("", "\n", "", |n| format!("m,host={n} a=1")));
    line("long measurements", filled("", "\n", "", |n| format!("{} {fields}", key(505, n))));
    line("a measurement as long as the body", format!("{} {fields}", key(BODY - 8 * 1024, 0)));
    line("long devices", filled("", "\n", "", |n| format!("m,host={} {fields}", key(505, n))));
    line("a tag as long as the body", format!("m,room={} {fields}", key(BODY - 8 * 1024, 0)));
    line("many tags", filled("", "\n", "", |n| format!("m,host=h,t={n} a=1")));
    line("no points", filled("", "\n", "", |_| "m".into()));
}

#[test]
fn envelopes() {
    let measurement = r#"{"air":{"temperature":1}}"#;
    let begin = r#"{"end_device_ids":{"device_id":"d"},"uplink_message":{"normalized_payload":["#;
    check(
        "normalised",
        "ttn_v3",
        "application/json",
        filled(begin, ",", "]}}", |_| measurement.into()),
        None,
    );
    check("events", "azure_event_grid", "application/json", filled("[", ",", "]", |_| "{}".into()), None);
    check(
        "batch",
        "cloudevents",
        "application/cloudevents-batch+json",
        filled("[", ",", "]", |_| "1".into()),
        None,
    );
    let tags = |n| format!(r#""{n}":"x""#);
    let begin = format!(r#"{{"deviceInfo":{{"devEui":"{}","tags":{{"#, key(500, 0));
    check(
        "tags",
        "chirpstack_v4",
        "application/json",
        filled(&begin, ",", "}},\"object\":{\"a\":1}}", tags),
        None,
    );
    check(
        "form",
        "ecowitt",
        "application/x-www-form-urlencoded",
        filled("tempf=1&", "&", "", |n| format!("{n}=1")),
        None,
    );
}
