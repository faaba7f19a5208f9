use event_model::{Quality, RecordedRequest, Value};

use super::Sigfox;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(head: &str, content_type: &str, body: &str) -> RecordedRequest {
    RecordedRequest::parse(format!("{head} HTTP/1.1\ncontent-type: {content_type}\n\n{body}").as_bytes())
        .unwrap()
}

fn json(body: &str) -> RecordedRequest {
    request("POST /hooks/field", "application/json", body)
}

fn plain(query: &str, body: &str) -> RecordedRequest {
    request(&format!("POST /hooks/field{query}"), "text/plain", body)
}

fn decode(request: &RecordedRequest) -> Decoded {
    let profile = Profile { source: "field".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    Sigfox.decode(request, context).unwrap().into()
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value, Option<&str>)> {
    assert_eq!(decoded.problems, []);
    let readings = decoded.readings.iter();
    readings.map(|r| (r.device.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

const fn number(value: f64) -> Value {
    Value::Number(value)
}

const STATUS: [(&str, &str, Value, Option<&str>); 2] = [
    ("1d4f7a", "temperature", number(23.5), Some("Cel")),
    ("1d4f7a", "battery_voltage", number(3.12), Some("V")),
];

#[test]
fn a_status_has_temperature_and_volts_however_it_comes() {
    let fields = "device=1D4F7A&time=1768474800&temp=23.5&batt=3.12&seqNumber=1256&snr=16.68&lat=48&lng=2";
    let form = request("POST /hooks/field", "application/x-www-form-urlencoded", fields);
    let query = RecordedRequest { method: "GET".into(), query: fields.into(), ..RecordedRequest::default() };
    let quoted = json(
        r#"{"device":"1D4F7A","time":"1768474800","temp":"23.5","batt":"3.12","seqNumber":"1256","duplicate":"false"}"#,
    );
    let text = plain("", "device:1D4F7A; time:1768474800; temp:23.5; batt:3.12");
    for request in [form, query, quoted, text] {
        let decoded = decode(&request);
        assert_eq!(rows(&decoded), STATUS);
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00Z");
    }
}

#[test]
fn frames_positions_and_answers_give_no_reading() {
    for body in [
        r#"{"device":"1D4F7A","time":1768474800,"duplicate":false,"snr":16.7,"station":"0CB3","data":"21fa","avgSnr":35.2,"lat":48.0,"lng":2.0,"rssi":-128.0,"seqNumber":1255}"#,
        r#"{"device":"1D4F7A","time":"1768474800","data":"00","seqNumber":"17","ack":"true","longPolling":"false"}"#,
        r#"{"device":"1D4F7A","time":"1768474800","lat":"43.5","lng":"1.5","radius":"3412","geolocSource":"2"}"#,
        r#"{"device":"1D4F7A","time":1768474800,"infoCode":0,"infoMessage":"Acked","downlinkAck":true,"downlinkOverusage":false}"#,
        r#"{"device":"1D4F7A","time":1768474800,"info":"No message received","severity":"ERROR"}"#,
        r#"{"device":"1D4F7A","time":1768474800,"lqi":"GOOD","linkQuality":2,"operatorName":"x","countryCode":250,"deviceTypeId":"5a",
        "duplicates":[{"bsId":"0CB3","rssi":-100.0,"snr":20.0,"nbRep":3}],"computedLocation":{"lat":42.9,"lng":1.6,"radius":3000,"source":2,"status":1}}"#,
    ] {
        assert_eq!(decode(&json(body)), Decoded::default(), "{body}");
        assert_eq!(
            Sigfox.inspect(&json(body), &Profile::default()).unwrap().device.as_deref(),
            Some("1d4f7a")
        );
    }
}

#[test]
fn variables_of_a_payload_configuration_lose_their_prefix() {
    let decoded = decode(&json(
        "{\r\n\"id\":\"B92A4\",\"time\":\"1768474800\",\"data\":\"01\",\"customData#humidity\":\"40\",\"customData#Modes\":\"1\",
        \"customData#door\":\"open\",\"customData#missing\":null,\"pressure\":\"1013\"}",
    ));
    let expected = [
        ("b92a4", "relative_humidity", number(40.0), Some("%RH")),
        ("b92a4", "modes", number(1.0), None),
        ("b92a4", "door", Value::Text("open".into()), None),
        ("b92a4", "pressure", number(1013.0), Some("hPa")),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn the_lines_of_a_batch_are_callbacks() {
    let uplink = "1D4F7A;1768474800;false;16.68;0CB3;21fa;35.23;48.0;2.0;-128.0;1255";
    let status = "1D4F7A;1768474860;23.5;3.12;false;1256;16.68;-128.0;48.0;2.0;0CB3;35.23";
    let lines = format!("{uplink}\r\n\n{status}\n{uplink};true;false\n");
    assert_eq!(rows(&decode(&plain("", &lines))), STATUS);
    let encoded = lines.replace(';', "%3B").replace('\r', "%0D").replace('\n', "%0A");
    let get = RecordedRequest {
        method: "GET".into(),
        query: format!("batch={encoded}"),
        ..RecordedRequest::default()
    };
    assert_eq!(rows(&decode(&get)), STATUS);
    let form = request("POST /hooks/field", "application/x-www-form-urlencoded", &format!("batch={encoded}"));
    assert_eq!(rows(&decode(&form)), STATUS);
    for (pattern, line) in [
        ("device;time;temp;batt", "1D4F7A;1768474800;23.5;3.12"),
        ("time,device,temp,,batt", "1768474800,1D4F7A,23.5,x,3.12"),
    ] {
        assert_eq!(rows(&decode(&plain(&format!("?line={pattern}"), line))), STATUS, "{pattern}");
    }
    let decoded = decode(&plain(
        "?line=device;time;temp",
        "1D4F7A;1768474800;20\n1D4F7A;1768474801\n1D4F7A;1768474802;warm",
    ));
    assert_eq!(decoded.readings.len(), 1);
    let problems: Vec<_> = decoded.problems.iter().map(|p| (p.place.as_str(), p.reason.as_str())).collect();
    assert_eq!(
        problems,
        [("line 2", "expected 3 values, found 2"), ("line 3.temp", "expected a number, found a string")]
    );
    let decoded = decode(&plain("", "1D4F7A;1768474800;20"));
    assert!(decoded.problems[0].reason.starts_with("a line of 3 values is of no pattern"));
}

#[test]
fn a_variable_that_was_not_filled_in_is_a_problem() {
    let decoded =
        decode(&json(r#"{"device":"1D4F7A","time":"{time}","temp":"{temp}","batt":"3.12","lat":"{lat}"}"#));
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(
        (decoded.readings[0].quality, decoded.readings[0].flags.as_slice()),
        (Quality::Uncertain, ["time_implausible"].as_slice())
    );
    assert_eq!((decoded.problems.len(), decoded.problems[0].place.as_str()), (1, "temp"));
    let decoded = decode(&json(r#"{"device":"{device}","temp":20}"#));
    assert_eq!(
        (decoded.readings.len(), decoded.problems[0].reason.as_str()),
        (0, "Sigfox did not fill in the variable of the device")
    );
}

#[test]
fn a_message_is_known_by_device_number_and_time() {
    let id = |body: &str| Sigfox.inspect(&json(body), &Profile::default()).unwrap().message_id;
    let advanced = id(r#"{"device":"1D4F7A","time":1768474800,"seqNumber":12,"lqi":"GOOD"}"#);
    assert_eq!(advanced, id(r#"{"device":"1d4f7a","time":"1768474800","seqNumber":"12"}"#));
    assert_eq!(advanced.as_deref(), Some("1d4f7a:12:1768474800"));
    for body in [
        r#"{"device":"1D4F7A","seqNumber":12}"#,
        r#"{"device":"1D4F7A","time":1768474800}"#,
        r#"{"time":1768474800,"seqNumber":12}"#,
        r#"{"device":"1D4F7A","time":1768474800,"seqNumber":"{seqNumber}"}"#,
    ] {
        assert_eq!(id(body), None, "{body}");
    }
}

#[test]
fn one_bad_callback_does_not_lose_the_good_ones() {
    let decoded = decode(&json(
        r#"[{"device":"a","temp":20},7,{"device":"b\u0000","temp":20},{"device":"c","temp":1e999,"batt":3}]"#,
    ));
    let devices: Vec<_> = decoded.readings.iter().map(|reading| reading.device.as_str()).collect();
    assert_eq!(devices, ["a", "c"]);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[1]", "[2]", "[3].temp"]);
}

#[test]
fn what_is_no_callback_is_refused() {
    let refused = |request: &RecordedRequest| Sigfox.parse(request).err().unwrap();
    assert!(matches!(refused(&json("{")), FormError::Malformed(_)));
    assert!(matches!(refused(&json("3")), FormError::Unprocessable(_)));
    assert!(matches!(refused(&plain("", "")), FormError::Malformed(_)));
    assert!(matches!(refused(&plain("?batch=%0A", "")), FormError::Malformed(_)));
    assert!(matches!(refused(&request("POST /", "image/png", "x")), FormError::UnsupportedMediaType { .. }));
    assert!(matches!(
        refused(&request("DELETE /", "application/json", "{}")),
        FormError::MethodNotAllowed { .. }
    ));
}
