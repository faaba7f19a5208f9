use event_model::{Quality, RecordedRequest, Value};

use super::OtlpMetrics;
use super::options::Attributes;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::options::Options;
use crate::testing::Decoded;

fn request(content_type: &str, body: Vec<u8>) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        path: "/hooks/collector/v1/metrics".into(),
        headers: vec![("content-type".into(), content_type.into())],
        body: body.into(),
        ..RecordedRequest::default()
    }
}

fn profile() -> Profile {
    Profile { source: "collector".into(), ..Profile::default() }
}

fn naming(device: &[&str], channel: &[&str]) -> Profile {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let names = Attributes { device: owned(device), channel: owned(channel) };
    Profile { options: Options::new(names), ..profile() }
}

fn decode(profile: &Profile, request: &RecordedRequest) -> Decoded {
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(profile, received_at) };
    OtlpMetrics.decode(request, context).unwrap().into()
}

fn json(body: &str) -> RecordedRequest {
    request("application/json", body.as_bytes().to_vec())
}

/// A request with metrics of one resource.
fn metrics(resource: &str, metrics: &str) -> RecordedRequest {
    json(&format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{resource}]}},"scopeMetrics":[{{"scope":{{}},"metrics":[{metrics}]}}]}}]}}"#
    ))
}

fn attribute(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, f64, Option<&str>)> {
    assert_eq!(decoded.problems, []);
    let number = |value: &Value| value.as_number().unwrap();
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), number(&r.value), r.unit.as_deref())).collect()
}

#[test]
fn gauges_and_sums_keep_their_names_units_and_times() {
    let request = metrics(
        &attribute("host.name", "gw"),
        r#"{"name":"room.temperature","unit":"Cel","gauge":{"dataPoints":[{"asDouble":21.5,"timeUnixNano":"1768474800123456789"}]}},
        {"name":"pulses","unit":"{pulse}","sum":{"dataPoints":[{"asInt":"7","timeUnixNano":1768474800000000000}],"aggregationTemporality":2}},
        {"name":"level","gauge":{"dataPoints":[{"asInt":3,"timeUnixNano":"0"}]}}"#,
    );
    let decoded = decode(&profile(), &request);
    let expected = [
        ("", "room.temperature", 21.5, Some("Cel")),
        ("", "pulses", 7.0, Some("{pulse}")),
        ("", "level", 3.0, None),
    ];
    assert_eq!(rows(&decoded), expected);
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00.123456Z");
    assert_eq!(decoded.readings[2].flags, ["time_received"]);
    assert!(decoded.readings.iter().all(|reading| reading.device == "gw"));
    let units = [("level".to_owned(), "cm".to_owned())].into();
    let decoded = decode(&Profile { units, ..profile() }, &request);
    assert_eq!(rows(&decoded)[2], ("", "level", 0.03, Some("m")));
}

#[test]
fn populations_come_to_their_figures() {
    let request = metrics(
        "",
        r#"{"name":"h","unit":"s","histogram":{"dataPoints":[{"count":"2","sum":3,"min":1,"max":2,"bucketCounts":["1","1"],"explicitBounds":[1]}]}},
        {"name":"e","exponentialHistogram":{"dataPoints":[{"count":"3","sum":10,"scale":0,"zeroCount":"1"}]}},
        {"name":"s","unit":"s","summary":{"dataPoints":[{"count":4,"sum":8.5,"quantileValues":[{"value":0.5},{"quantile":0.99,"value":"NaN"},{"quantile":1,"value":4}]}]}}"#,
    );
    let expected = [
        ("", "h.count", 2.0, None),
        ("", "h.sum", 3.0, Some("s")),
        ("", "h.min", 1.0, Some("s")),
        ("", "h.max", 2.0, Some("s")),
        ("", "e.count", 3.0, None),
        ("", "e.sum", 10.0, None),
        ("", "s.count", 4.0, None),
        ("", "s.sum", 8.5, Some("s")),
        ("", "s.quantile_0", 0.5, Some("s")),
        ("", "s.quantile_1", 4.0, Some("s")),
    ];
    assert_eq!(rows(&decode(&profile(), &request)), expected);
}

#[test]
fn what_was_not_recorded_and_what_is_no_number_give_no_reading() {
    let request = metrics(
        "",
        r#"{"name":"a","gauge":{"dataPoints":[{"asDouble":1,"flags":1},{"asDouble":"NaN"},{"asDouble":"-Infinity"},{},{"asDouble":null}]}}"#,
    );
    assert_eq!(decode(&profile(), &request), Decoded::default());
}

#[test]
fn the_first_of_the_attributes_names_the_device() {
    let resource =
        [attribute("service.name", "app"), attribute("host.name", "gw"), attribute("os.type", "linux")]
            .join(",");
    let point = format!(
        r#"{{"name":"m","gauge":{{"dataPoints":[{{"asInt":1}},{{"asInt":2,"attributes":[{}]}}]}}}}"#,
        attribute("device.id", "d-7")
    );
    let request = metrics(&resource, &point);
    let decoded = decode(&profile(), &request);
    let devices: Vec<_> = decoded.readings.iter().map(|reading| reading.device.as_str()).collect();
    assert_eq!(devices, ["gw", "d-7"]);
    let tag = |device: &str, key: &str, value: &str| (device.to_owned(), key.to_owned(), value.to_owned());
    assert_eq!(decoded.tags, [tag("gw", "os.type", "linux"), tag("gw", "service.name", "app")]);
    assert_eq!(OtlpMetrics.inspect(&request, &profile()).unwrap().device, None);
    let own = naming(&["os.type"], &[]);
    assert_eq!(OtlpMetrics.inspect(&request, &own).unwrap().device.as_deref(), Some("linux"));
    assert!(decode(&own, &request).readings.iter().all(|reading| reading.device == "linux"));
}

#[test]
fn points_that_only_their_attributes_tell_apart_are_told_of() {
    let of = |cpu: &str, value: f64| {
        format!(
            r#"{{"asDouble":{value},"timeUnixNano":"1768474800000000000","attributes":[{}]}}"#,
            attribute("cpu", cpu)
        )
    };
    let points = [of("0", 1.0), of("1", 2.0)].join(",");
    let request = metrics(
        &attribute("host.name", "gw"),
        &format!(r#"{{"name":"cpu","sum":{{"dataPoints":[{points}]}}}}"#),
    );
    let decoded = decode(&profile(), &request);
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.readings[0].value, Value::Number(2.0));
    assert_eq!(decoded.problems[0].place, "resourceMetrics[0].scopeMetrics[0].metrics[0].sum.dataPoints[0]");
    assert!(decoded.problems[0].reason.ends_with("channel_attributes or device_attributes"));
    let decoded = decode(&naming(&[], &["host.name", "cpu"]), &request);
    assert_eq!(rows(&decoded), [("gw.0", "cpu", 1.0, None), ("gw.1", "cpu", 2.0, None)]);
}

#[test]
fn one_bad_part_does_not_lose_the_good_ones() {
    let good = r#"{"name":"m","gauge":{"dataPoints":[{"asInt":1}]}}"#;
    let bad = r#"3,{"name":"a","gauge":{"dataPoints":[7,{"asInt":"x"},{"asInt":true}]}},{"name":"b","sum":{"dataPoints":{}}},
        {"gauge":{"dataPoints":[{"asInt":1}]}},{"name":"s","summary":{"dataPoints":[{"count":1,"quantileValues":[{"quantile":2}]}]}}"#;
    let decoded = decode(&profile(), &metrics("", &format!("{bad},{good}")));
    assert_eq!(decoded.readings.len(), 1);
    let problems: Vec<_> = decoded
        .problems
        .iter()
        .map(|p| (p.place.trim_start_matches("resourceMetrics[0].scopeMetrics[0]."), &*p.reason))
        .collect();
    let expected = [
        ("metrics[0]", "expected an object, found a number"),
        ("metrics[1].gauge.dataPoints[0]", "expected an object, found a number"),
        ("metrics[1].gauge.dataPoints[1]", "expected a number, found a string"),
        ("metrics[1].gauge.dataPoints[2]", "expected a number, found a boolean"),
        ("metrics[2]", "dataPoints: expected an array, found an object"),
        ("metrics[3].gauge.dataPoints[0]", "the metric has no name"),
        ("metrics[4].summary.dataPoints[0]", "a quantile is no number from 0 to 1"),
    ];
    assert_eq!(problems, expected);
}

#[test]
fn other_spellings_of_the_fields_are_read() {
    let body = r#"{"resource_metrics":[{"scope_metrics":[{"metrics":[{"name":"m","gauge":{"data_points":[{"as_int":5,"time_unix_nano":"1768474800000000000"}]}}]}]},
        {"instrumentationLibraryMetrics":[{"metrics":[{"name":"n","gauge":{"dataPoints":[{"asDouble":"1.5"}]}}]}]}]}"#;
    assert_eq!(rows(&decode(&profile(), &json(body))), [("", "m", 5.0, None), ("", "n", 1.5, None)]);
}

#[test]
fn a_time_that_cannot_be_is_the_receive_time() {
    let point = r#"{"name":"m","gauge":{"dataPoints":[{"asInt":1,"timeUnixNano":"18446744073709551615"}]}}"#;
    let decoded = decode(&profile(), &metrics("", point));
    assert_eq!(
        (decoded.readings[0].quality, decoded.readings[0].flags.as_slice()),
        (Quality::Uncertain, ["time_implausible"].as_slice())
    );
}

/// A field of a message: its number and a message or text.
fn within(number: u8, inner: &[u8]) -> Vec<u8> {
    let mut length = inner.len();
    let mut bytes = vec![number << 3 | 2];
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    [bytes, inner.to_vec()].concat()
}

fn fixed(number: u8, bits: u64) -> Vec<u8> {
    [vec![number << 3 | 1], bits.to_le_bytes().to_vec()].concat()
}

/// The message of a resource `gw` with these metrics.
fn resource(metrics: &[Vec<u8>]) -> Vec<u8> {
    let host = [within(1, b"host.name"), within(2, &within(1, b"gw"))].concat();
    let all: Vec<_> = metrics.iter().flat_map(|metric| within(2, metric)).collect();
    within(1, &[within(1, &within(1, &host)), within(2, &all)].concat())
}

fn named(name: &str, unit: &str, data: &[u8]) -> Vec<u8> {
    [within(1, name.as_bytes()), within(3, unit.as_bytes()), data.to_vec()].concat()
}

#[test]
fn the_binary_encoding_says_the_same() {
    let time = fixed(3, 1_768_474_800_000_000_000);
    let phase = within(7, &[within(1, b"phase"), within(2, &[3 << 3, 1])].concat());
    let gauge = within(5, &within(1, &[time.clone(), fixed(4, 21.5_f64.to_bits()), phase].concat()));
    let sum = within(7, &within(1, &[time.clone(), fixed(6, (-5_i64).cast_unsigned())].concat()));
    let histogram = within(
        9,
        &within(
            1,
            &[time.clone(), fixed(4, 2), fixed(5, 3_f64.to_bits()), fixed(12, 2_f64.to_bits())].concat(),
        ),
    );
    let exponential =
        within(10, &within(1, &[time.clone(), fixed(4, 1), fixed(12, 1_f64.to_bits())].concat()));
    let quantile = within(6, &[fixed(1, 0.5_f64.to_bits()), fixed(2, 4_f64.to_bits())].concat());
    let summary = within(11, &within(1, &[time, fixed(4, 1), fixed(5, 4_f64.to_bits()), quantile].concat()));
    let all = [
        named("t", "Cel", &gauge),
        named("c", "1", &sum),
        named("h", "s", &histogram),
        named("e", "", &exponential),
        named("s", "", &summary),
    ];
    let request = request("application/x-protobuf", resource(&all));
    let decoded = decode(&profile(), &request);
    let expected = [
        ("", "t", 21.5, Some("Cel")),
        ("", "c", -5.0, Some("1")),
        ("", "h.count", 2.0, None),
        ("", "h.sum", 3.0, Some("s")),
        ("", "h.max", 2.0, Some("s")),
        ("", "e.count", 1.0, None),
        ("", "e.min", 1.0, None),
        ("", "s.count", 1.0, None),
        ("", "s.sum", 4.0, None),
        ("", "s.quantile_0.5", 4.0, None),
    ];
    assert_eq!(rows(&decoded), expected);
    assert!(
        decoded
            .readings
            .iter()
            .all(|r| r.device == "gw" && r.observed_at.to_string() == "2026-01-15T11:00:00Z")
    );
    assert_eq!(decoded.tags, [("gw".to_owned(), "phase".to_owned(), "1".to_owned())]);
    assert_eq!(OtlpMetrics.inspect(&request, &profile()).unwrap().device.as_deref(), Some("gw"));
}

#[test]
fn a_broken_message_costs_itself_alone() {
    let point = |value: f64| within(1, &fixed(4, value.to_bits()));
    let broken = within(1, &[4 << 3 | 1, 0]);
    let gauge = within(5, &[broken, point(f64::NAN), point(1.0)].concat());
    let body = [resource(&[named("m", "", &gauge), vec![10, 200]]), within(1, b"\xff")].concat();
    let decoded = decode(&profile(), &request("application/x-protobuf", body));
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    let scope = "resourceMetrics[0].scopeMetrics[0]";
    let expected = [
        format!("{scope}.metrics[0].gauge.dataPoints[0]"),
        format!("{scope}.metrics[1]"),
        "resourceMetrics[1]".to_owned(),
    ];
    assert_eq!(places, expected);
}

#[test]
fn nothing_is_taken_and_other_signals_are_refused() {
    for request in
        [json("{}"), json(r#"{"resourceMetrics":[]}"#), request("application/x-protobuf", Vec::new())]
    {
        assert_eq!(decode(&profile(), &request), Decoded::default());
    }
    let refused = |request: &RecordedRequest| OtlpMetrics.parse(request).err().unwrap();
    for body in
        [r#"{"resourceSpans":[]}"#, r#"{"resourceLogs":[]}"#, r#"{"a":1}"#, "[]", r#"{"resourceMetrics":3}"#]
    {
        assert!(matches!(refused(&json(body)), FormError::Unprocessable(_)), "{body}");
    }
    let traces = RecordedRequest {
        path: "/hooks/collector/v1/traces".into(),
        ..request("application/x-protobuf", Vec::new())
    };
    assert!(matches!(refused(&traces), FormError::Unprocessable(_)));
    assert!(matches!(refused(&json("{")), FormError::Malformed(_)));
    assert!(matches!(refused(&request("application/x-protobuf", b"{}".to_vec())), FormError::Malformed(_)));
    assert!(matches!(refused(&request("text/plain", Vec::new())), FormError::UnsupportedMediaType { .. }));
    assert!(matches!(
        refused(&RecordedRequest { method: "GET".into(), ..json("{}") }),
        FormError::MethodNotAllowed { .. }
    ));
}

#[test]
fn what_has_no_content_type_is_known_by_how_it_begins() {
    let untyped = |body: Vec<u8>| RecordedRequest { headers: Vec::new(), ..request("", body) };
    let gauge = within(5, &within(1, &fixed(4, 1_f64.to_bits())));
    let decoded = decode(&profile(), &untyped(resource(&[named("m", "", &gauge)])));
    assert_eq!(rows(&decoded), [("", "m", 1.0, None)]);
    assert_eq!(decode(&profile(), &untyped(b"\n{}".to_vec())), Decoded::default());
    assert!(matches!(OtlpMetrics.parse(&untyped(Vec::new())).err(), Some(FormError::Malformed(_))));
}

#[test]
fn success_is_answered_in_the_encoding_of_the_request() {
    assert_eq!(OtlpMetrics.success_body(&json("{}")), Some(("application/json", "{}")));
    let binary = request("application/x-protobuf", Vec::new());
    assert_eq!(OtlpMetrics.success_body(&binary), Some(("application/x-protobuf", "")));
}
