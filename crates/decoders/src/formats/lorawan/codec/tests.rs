use std::sync::Arc;

use event_model::{Glob, RecordedRequest};
use jiff::Timestamp;

use crate::codec::{Codec, Codecs, MAX_FRAMES, Maker, Output, Outputs, Script};
use crate::decode::{Context, Decoded, Profile};
use crate::json::Node;
use crate::options::Options;

fn codec(maker: Maker) -> Codec {
    Codec { maker, device: None, model: None, always: false, variables: Arc::default() }
}

fn script(name: &str) -> Codec {
    codec(Maker::Script(Script::new(name, format!("// {name}"))))
}

fn profile(codecs: impl IntoIterator<Item = Codec>) -> Profile {
    let options = Options::new(codecs.into_iter().collect::<Codecs>());
    Profile { source: "field".into(), options, ..Profile::default() }
}

fn decode(format: &str, body: &str, profile: &Profile, outputs: Option<&Outputs>) -> Decoded {
    let request = format!("POST /hooks/field?event=up HTTP/1.1\ncontent-type: application/json\n\n{body}");
    let request = RecordedRequest::parse(request.as_bytes()).unwrap();
    let context = Context { outputs, ..Context::new(profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    let format = crate::by_name(format).unwrap();
    format.decode(&request, context).unwrap_or_else(|error| error.0.into())
}

/// Each reading as `channel metric value unit`.
fn rows(decoded: &Decoded) -> Vec<String> {
    let row = |(sample, reading): (&event_model::Sample, &event_model::Reading)| {
        let unit = reading.unit.as_deref().unwrap_or_default();
        format!("{} {} {:?} {unit}", sample.channel, reading.metric, reading.value)
    };
    decoded.readings().map(row).collect()
}

/// A frame of 21.5 °C and 50 %RH in Cayenne LPP, as each network passes it on where it has decoded nothing.
const RAW: [(&str, &str); 5] = [
    (
        "ttn_v3",
        r#"{"end_device_ids":{"dev_eui":"70B3D57ED0000001"},"uplink_message":{"f_port":2,"frm_payload":"A2cA1wRoZA=="}}"#,
    ),
    (
        "chirpstack_v4",
        r#"{"deviceInfo":{"devEui":"70b3d57ed0000001"},"fPort":2,"data":"A2cA1wRoZA==","object":{}}"#,
    ),
    ("loriot", r#"{"cmd":"rx","EUI":"70B3D57ED0000001","fcnt":1,"port":2,"data":"036700D7046864"}"#),
    (
        "actility_thingpark",
        r#"{"DevEUI_uplink":{"DevEUI":"70B3D57ED0000001","FPort":2,"FCntUp":1,"payload_hex":"036700d7046864"}}"#,
    ),
    ("milesight", r#"{"devEUI":"70B3D57ED0000001","fPort":2,"fCnt":1,"data":"A2cA1wRoZA=="}"#),
];

#[test]
fn a_frame_without_a_codec_is_counted_and_no_problem() {
    for (format, body) in RAW {
        let decoded = decode(format, body, &profile([]), None);
        assert_eq!((decoded.raw_frames, decoded.problems.count()), (1, 0), "{format}");
        assert!(decoded.samples.is_empty() && decoded.frames.is_empty(), "{format}");
    }
}

#[test]
fn cayenne_lpp_is_read_at_once() {
    for (format, body) in RAW {
        let decoded = decode(format, body, &profile([codec(Maker::CayenneLpp)]), None);
        let expected = ["3 temperature Number(21.5) Cel", "4 relative_humidity Number(50.0) %RH"];
        assert_eq!(rows(&decoded), expected, "{format}: {:?}", decoded.problems);
        assert_eq!(decoded.raw_frames, 0, "{format}");
    }
}

#[test]
fn a_script_is_waited_for_and_what_it_gives_is_read() {
    for (format, body) in RAW {
        let profile = profile([script("probe.js")]);
        let waiting = decode(format, body, &profile, None);
        let [frame] = &waiting.frames[..] else { panic!("{format}: one frame, not {:?}", waiting.frames) };
        assert_eq!((&*frame.device, frame.port, frame.bytes.len()), ("70b3d57ed0000001", 2, 7), "{format}");
        assert!(waiting.samples.is_empty() && waiting.problems.is_empty(), "{format}");
        let output = Output::Decoded {
            data: Node::parse(br#"{"temp":{"value":70.7,"unit":"F","displayName":"Air"},"hum":50,"n":1}"#)
                .unwrap(),
            normalised: Some(Node::parse(br#"[{"air":{"temperature":21.5}}]"#).unwrap()),
            warnings: Vec::new(),
        };
        let outputs = [(frame.clone(), output)].into_iter().collect();
        let decoded = decode(format, body, &profile, Some(&outputs));
        // What is normalised goes before the script's own.
        let expected =
            [" relative_humidity Number(50.0) %RH", " n Number(1.0) ", "air temperature Number(21.5) Cel"];
        assert!(decoded.frames.is_empty() && decoded.problems.is_empty(), "{format}: {:?}", decoded.problems);
        assert_eq!(rows(&decoded), expected, "{format}");
    }
}

#[test]
fn what_a_script_refuses_is_a_problem_with_its_reason() {
    let (format, body) = RAW[0];
    let profile = profile([script("probe.js")]);
    let frame = decode(format, body, &profile, None).frames.remove(0);
    let outputs = [(frame, Output::Refused("unknown port".to_owned()))].into_iter().collect();
    let decoded = decode(format, body, &profile, Some(&outputs));
    assert_eq!(
        (decoded.problems[0].place.as_str(), decoded.problems[0].reason.as_str()),
        ("codec", "unknown port")
    );
}

#[test]
fn what_the_network_decoded_stays_unless_the_codec_always_decodes() {
    let body = r#"{"end_device_ids":{"dev_eui":"70B3D57ED0000001"},"uplink_message":{"f_port":2,"frm_payload":"A2cA1wRoZA==","decoded_payload":{"temperature":1}}}"#;
    let of = |always| decode("ttn_v3", body, &profile([Codec { always, ..codec(Maker::CayenneLpp) }]), None);
    assert_eq!(rows(&of(false)), [" temperature Number(1.0) Cel"]);
    assert_eq!(of(false).raw_frames, 0);
    assert_eq!(rows(&of(true))[0], "3 temperature Number(21.5) Cel");
}

#[test]
fn the_first_codec_that_fits_the_device_and_its_model_decodes() {
    let pattern = |text: &str| Some(Glob(text.to_owned()));
    let codecs = [
        Codec { device: pattern("a84041*"), ..script("of-others.js") },
        Codec { model: pattern("dragino/lht*"), ..script("of-model.js") },
        script("of-all.js"),
    ];
    let chosen = |versions: &str| {
        let body = format!(
            r#"{{"end_device_ids":{{"dev_eui":"70B3D57ED0000001"}},"uplink_message":{{"f_port":2,"frm_payload":"AQ=="{versions}}}}}"#
        );
        decode("ttn_v3", &body, &profile(codecs.clone()), None).frames[0].script.name.to_string()
    };
    assert_eq!(chosen(""), "of-all.js");
    assert_eq!(chosen(r#","version_ids":{"brand_id":"dragino","model_id":"lht65"}"#), "of-model.js");
}

#[test]
fn an_empty_frame_and_one_that_is_none_wait_for_nothing() {
    let of = |payload: &str| {
        let body = format!(r#"{{"deviceInfo":{{"devEui":"70b3d57ed0000001"}},"fPort":2,"data":{payload}}}"#);
        decode("chirpstack_v4", &body, &profile([script("probe.js")]), None)
    };
    for (payload, problem) in [
        (r#""""#, None),
        ("null", None),
        (r#""%%""#, Some("expected Base64")),
        (&format!("\"{}\"", "A".repeat(1400)), Some("a frame of more than 1024 bytes")),
    ] {
        let decoded = of(payload);
        assert!(decoded.frames.is_empty(), "{payload}");
        assert_eq!(decoded.problems.first().map(|problem| problem.reason.as_str()), problem, "{payload}");
    }
    // Without its padding it is Base64 all the same.
    assert_eq!(of(r#""AQ""#).frames[0].bytes, [1]);
}

#[test]
fn more_frames_than_one_payload_may_have_are_a_problem() {
    let one = r#"{"DevEUI":"70B3D57ED0000001","FPort":2,"FCntUp":1,"payload_hex":"01"}"#;
    let body = format!("[{}]", vec![one; MAX_FRAMES + 2].join(","));
    let decoded = decode("actility_thingpark", &body, &profile([script("probe.js")]), None);
    assert_eq!((decoded.frames.len(), decoded.problems.count()), (MAX_FRAMES, 2));
}

#[test]
fn the_same_frame_is_the_same_whenever_it_is_read() {
    let (format, body) = RAW[1];
    let profile = profile([script("probe.js")]);
    let read = || decode(format, body, &profile, None).frames;
    assert_eq!(read(), read());
    assert_eq!(read()[0].received_at, "2026-01-15T12:00:00Z".parse::<Timestamp>().unwrap());
}
