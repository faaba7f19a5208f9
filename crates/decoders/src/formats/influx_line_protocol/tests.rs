use event_model::{Quality, RecordedRequest};

use super::InfluxLineProtocol;
use super::options::Tags;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder as _;
use crate::options::Options;
use crate::testing::Decoded;

fn post(query: &str, body: &str) -> RecordedRequest {
    RecordedRequest {
        method: "POST".into(),
        query: query.into(),
        body: body.to_owned().into(),
        ..RecordedRequest::default()
    }
}

fn decode(profile: &Profile, query: &str, body: &str) -> Decoded {
    let received_at = "2026-01-15T12:00:00.5Z".parse().unwrap();
    InfluxLineProtocol
        .decode(&post(query, body), Context { raw_names: true, ..Context::new(profile, received_at) })
        .unwrap()
        .into()
}

fn with(tags: Tags) -> Profile {
    Profile { options: Options::new(tags), ..profile() }
}

fn profile() -> Profile {
    Profile { source: "telegraf".into(), ..Profile::default() }
}

#[test]
fn the_query_states_the_precision() {
    for (query, time) in
        [("precision=s", "1735689600"), ("precision=ms", "1735689600000"), ("", "1735689600000000000")]
    {
        let decoded = decode(&profile(), query, &format!("m v=1 {time}"));
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2025-01-01T00:00:00Z", "{query}");
    }
    let refused = InfluxLineProtocol.inspect(&post("precision=day", "m v=1"), &profile());
    assert!(matches!(refused, Err(FormError::Malformed(_))));
}

#[test]
fn version_3_goes_by_the_magnitude_of_a_timestamp() {
    let at = |request: &RecordedRequest| {
        let received_at = "2026-01-15T12:00:00.5Z".parse().unwrap();
        let decoded: Decoded = InfluxLineProtocol
            .decode(request, Context { raw_names: true, ..Context::new(&profile(), received_at) })
            .unwrap()
            .into();
        decoded.readings[0].observed_at.to_string()
    };
    for time in ["1735689600", "1735689600000", "1735689600000000", "1735689600000000000"] {
        let body = format!("m v=1 {time}");
        let path = "/hooks/telegraf/api/v3/write_lp".to_owned();
        assert_eq!(at(&post("precision=auto", &body)), "2025-01-01T00:00:00Z", "{time}");
        assert_eq!(at(&RecordedRequest { path, ..post("", &body) }), "2025-01-01T00:00:00Z", "{time}");
    }
    assert_eq!(at(&post("precision=auto", "m v=1")), "2026-01-15T12:00:00.5Z");
}

#[test]
fn a_point_without_a_time_gets_the_receive_time_in_the_requests_precision() {
    let at = |query| decode(&profile(), query, "m v=1").readings[0].observed_at.to_string();
    assert_eq!(at(""), "2026-01-15T12:00:00.5Z");
    assert_eq!(at("precision=s"), "2026-01-15T12:00:00Z");
}

#[test]
fn seconds_that_were_sent_as_nanoseconds_become_the_receive_time() {
    let reading = &decode(&profile(), "", "m v=1 1735689600").readings[0];
    assert_eq!(reading.observed_at.to_string(), "2026-01-15T12:00:00.5Z");
    assert_eq!((reading.quality, &reading.flags[..]), (Quality::Uncertain, &["time_implausible"][..]));
}

#[test]
fn the_first_known_tag_names_the_device_and_the_others_become_tags() {
    let decoded = decode(&profile(), "", "m,host=h1,sensor=s1,room=north v=1");
    assert_eq!(decoded.readings[0].device, "s1");
    assert!(decoded.tags.contains(&("s1".into(), "room".into(), "north".into())));
    let own = with(Tags { device: vec!["room".into()], ..Tags::default() });
    assert_eq!(decode(&own, "", "m,host=h1,room=north v=1").readings[0].device, "north");
    assert_eq!(decode(&own, "", "m,host=h1 v=1").readings[0].device, "telegraf");
}

#[test]
fn a_source_states_the_units_that_the_protocol_lacks() {
    let mut own = profile();
    own.units.insert("home.temp".into(), "°F".into());
    let decoded = decode(&own, "", "home temp=212,hum=40");
    assert_eq!(decoded.readings[0].unit.as_deref(), Some("Cel"));
    assert!((decoded.readings[0].value.as_number().unwrap() - 100.0).abs() < 1e-9);
    assert_eq!(decoded.readings[1].unit, None);
    let reading = &decode(&own, "", "home temp=-500").readings[0];
    assert_eq!(
        (reading.quality, reading.flags.as_slice()),
        (Quality::Uncertain, ["time_received", "out_of_range"].as_slice())
    );
}

#[test]
fn points_that_only_other_tags_tell_apart_are_reported() {
    let body = "home,room=hall temp=20 1735689600000000000\nhome,room=kitchen temp=21 1735689600000000000\n\
                home,room=attic temp=5 1735689700000000000";
    let decoded = decode(&profile(), "", body);
    let values: Vec<_> = decoded.readings.iter().map(|reading| reading.value.as_number().unwrap()).collect();
    assert_eq!(values, [21.0, 5.0]);
    assert_eq!(decoded.problems.len(), 1);
    assert_eq!(decoded.problems[0].place, "line 1");
    assert!(decoded.problems[0].reason.contains("line 2"));
    let own = with(Tags { device: vec!["room".into()], ..Tags::default() });
    assert!(decode(&own, "", body).problems.is_empty());
    let own = with(Tags { channel: vec!["floor".into(), "room".into()], ..Tags::default() });
    let decoded = decode(&own, "", body);
    assert!(decoded.problems.is_empty());
    let channels: Vec<_> = decoded.readings.iter().map(|reading| reading.channel.as_str()).collect();
    assert_eq!(channels, ["hall", "kitchen", "attic"]);
}

#[test]
fn a_point_that_comes_twice_with_other_values_is_reported_and_an_equal_one_is_not() {
    let decoded = self::decode(&profile(), "", "m,host=a v=1,w=5 7000\nm,host=a v=2 7000\nm,host=a w=5 7000");
    let values: Vec<_> = decoded.readings.iter().map(|reading| reading.value.as_number().unwrap()).collect();
    assert_eq!(values, [2.0, 5.0]);
    assert_eq!(decoded.problems.len(), 1);
    assert_eq!(
        (decoded.problems[0].place.as_str(), decoded.problems[0].reason.as_str()),
        ("line 1", "line 2 is the same point with another value; the last one is stored")
    );
    let decoded = self::decode(&profile(), "", "m a=1,a=2");
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.problems[0].reason, "a field has two values; the last one is stored");
}

#[test]
fn names_that_turn_the_text_around_them_are_refused_and_tags_lose_what_does() {
    let decoded =
        self::decode(&profile(), "", "m\u{202e},host=a v=1\nm,host=a\u{202e} v=1\nm,host=a,r=x\u{2066}y v=1");
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["line 1", "line 2"]);
    assert_eq!(decoded.tags, [("a".into(), "r".into(), "x\u{fffd}y".into())]);
}

#[test]
fn a_body_without_a_good_line_is_refused_and_a_mixed_one_is_taken() {
    let inspect = |body| InfluxLineProtocol.inspect(&post("", body), &profile());
    assert_eq!(inspect("m,host=a v=1\nbad\nm,host=a v=2").unwrap().device.as_deref(), Some("a"));
    assert_eq!(inspect("m,host=a v=1\nm,host=b v=2\nm,host=a v=3").unwrap().device, None);
    for body in ["", "# only a note\n", "bad\nworse"] {
        assert!(matches!(inspect(body), Err(FormError::Malformed(_))), "{body:?}");
    }
}

#[test]
fn credentials_of_version_1_do_not_stay_in_the_query() {
    let mut request = post("db=x&u=me&p=secret&%70=secret&Token=secret&precision=s", "m v=1");
    InfluxLineProtocol.redact(&mut request);
    assert_eq!(request.query, "db=x&precision=s");
}
