use event_model::{RecordedRequest, Value};

use super::ActilityThingpark;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(body: &str) -> RecordedRequest {
    let head = "POST /hooks/city?LrnDevEui=20635F039100011E&LrnFPort=18&AS_ID=a&Time=t&Token=0af1 HTTP/1.1\n\
        content-type: application/json\n\n";
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode(body: &str) -> Decoded {
    let profile = Profile { source: "city".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    ActilityThingpark.decode(&request(body), context).unwrap_or_else(|error| error.0.into()).into()
}

fn inspect(body: &str) -> Inspection {
    ActilityThingpark.inspect(&request(body), &Profile::default()).unwrap()
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value, Option<&str>)> {
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

/// The members of an uplink; `more` are further ones.
fn uplink(more: &str) -> String {
    format!(
        r#"{{"Time":"2026-01-15T12:59:00.25+01:00","DevEUI":"20635F039100011E","FPort":18,"FCntUp":26,
            "DevAddr":"004880D6","payload_hex":"0E48","LrrRSSI":-73.6,"LrrSNR":8,"Late":0,
            "CustomerData":{{"loc":null,"tags":[],"name":"MT"}}{more}}}"#
    )
}

fn wrapped(report: &str) -> String {
    format!(r#"{{"DevEUI_uplink":{report}}}"#)
}

#[test]
fn a_raw_frame_gives_no_reading_and_no_problem() {
    let untyped = uplink("").replace("18", "\"18\"").replace(":26", ":\"26\"").replace("-73.6", "\"-73.6\"");
    for body in [
        wrapped(&uplink("")),
        uplink(""),
        wrapped(&untyped),
        wrapped(&uplink(r#","payload":"0e48""#)),
        wrapped(&uplink(r#","payload":null,"points":null"#)),
        wrapped(&uplink(r#","payload":{},"points":{}"#)),
        wrapped(&uplink("").replace(r#""payload_hex":"0E48","#, "")),
    ] {
        assert_eq!(decode(&body), Decoded::default(), "{body}");
        let inspection = inspect(&body);
        assert_eq!(inspection.device.as_deref(), Some("20635f039100011e"), "{body}");
        assert_eq!(inspection.message_id.as_deref(), Some("20635f039100011e/004880D6/26"), "{body}");
    }
}

#[test]
fn a_drivers_payload_is_read_and_its_points_count_before_it() {
    let more = r#","payload":{"temperatureMeasure":27.3,"batteryLevel":84,"age":17,"periodicPosition":false,
        "payload":"0e48","humidity":null,"beacons":[{"rssi":-65,"x":1}]},
        "points":{"batteryLevel":{"unitId":"%","record":84},"temperature":{"unitId":"Cel","type":"double","record":27.3},
        "age":{"unitId":"s","record":17},"batteryVoltage":{"unitId":"mV","record":"3656"},"co2Level":{"unitId":"ppm","record":491},
        "motion":{"record":0},"humidity":{"unitId":"%RH","record":null}}"#;
    let number = Value::Number;
    let expected = [
        ("", "periodic_position", Value::Flag(false), None),
        ("beacons.0", "x", number(1.0), None),
        ("", "battery_level", number(84.0), Some("%EL")),
        ("", "temperature", number(27.3), Some("Cel")),
        ("", "age", number(17.0), Some("s")),
        ("", "battery_voltage", number(3.656), Some("V")),
        ("", "co2", number(491.0), Some("ppm")),
        ("", "motion", number(0.0), None),
    ];
    for body in [uplink(more), wrapped(&uplink(more))] {
        let decoded = decode(&body);
        assert_eq!(rows(&decoded), expected);
        assert_eq!(decoded.problems, []);
        let is_at = |at: jiff::Timestamp| at.to_string() == "2026-01-15T11:59:00.25Z";
        assert!(decoded.readings.iter().all(|r| is_at(r.observed_at) && r.device == "20635f039100011e"));
    }
}

#[test]
fn a_place_is_longitude_and_latitude() {
    let more = r#","points":{"location":{"unitId":"GPS","record":[-83.5,32.5,58]},"speed":{"unitId":"m/s","record":0.03}}"#;
    let expected = [
        ("", "longitude", Value::Number(-83.5), Some("lon")),
        ("", "latitude", Value::Number(32.5), Some("lat")),
        ("", "altitude", Value::Number(58.0), Some("m")),
        ("", "speed", Value::Number(0.03), Some("m/s")),
    ];
    assert_eq!(rows(&decode(&wrapped(&uplink(more)))), expected);
}

#[test]
fn records_of_earlier_have_their_own_times() {
    let more = r#","points":{"temperature":{"unitId":"Cel","records":[{"eventTime":"2026-01-15T10:00:00Z","value":20},
        {"eventTime":"2026-01-15T11:00:00Z","value":21},{"value":22},23.5]}}"#;
    let decoded = decode(&wrapped(&uplink(more)));
    let times: Vec<_> =
        decoded.readings.iter().map(|r| (r.observed_at.to_string(), r.value.clone())).collect();
    assert_eq!(times[0], ("2026-01-15T10:00:00Z".to_owned(), Value::Number(20.0)));
    assert_eq!(times[1], ("2026-01-15T11:00:00Z".to_owned(), Value::Number(21.0)));
    assert_eq!(times.len(), 3, "two of one time: {times:?}");
    assert_eq!(decoded.problems.len(), 1);
    let more = r#","points":{"temperature":{"record":1},"Temperature":{"record":2},"tempC":{"record":3}}"#;
    let decoded = decode(&uplink(more));
    let metrics: Vec<_> = decoded.readings.iter().map(|r| &*r.metric).collect();
    assert_eq!(metrics, ["temperature", "temp_c"], "Temperature is no name of its own");
    assert_eq!(decoded.problems.len(), 1);
}

#[test]
fn a_value_that_makes_no_sense_leaves_the_others() {
    let more = r#","payload":{"temperature":"warm","co2":400},"points":{"humidity":{"unitId":"%RH","record":{"x":1}},
        "light":{"unitId":"lx","record":5},"odd":7}"#;
    let decoded = decode(&wrapped(&uplink(more)));
    let problems: Vec<_> = decoded.problems.iter().map(|p| (&*p.place, &*p.reason)).collect();
    let expected = [
        ("DevEUI_uplink.payload.temperature", "expected a number, found a string"),
        ("DevEUI_uplink.points.humidity.record", "expected one value, found an object"),
    ];
    assert!(expected.iter().all(|problem| problems.contains(problem)), "{problems:?}");
    assert_eq!(decoded.readings.len(), 2);
    let decoded = decode(&uplink(r#","payload":[1],"points":[2]"#));
    assert_eq!(decoded.problems.len(), 2);
}

#[test]
fn other_reports_are_taken_and_give_no_reading() {
    for (name, fields) in [
        (
            "DevEUI_location",
            r#""DevLAT":"52.09","DevLON":"5.12","DevLocTime":"2026-01-15T12:00:00.000+02:00""#,
        ),
        ("DevEUI_notification", r#""Type":"join","Time":"2026-01-15T12:00:00Z""#),
        ("DevEUI_downlink_Sent", r#""FCntDn":47,"DeliveryStatus":0"#),
        ("DevEUI_downlink_Rejected", r#""DeliveryStatus":350"#),
        ("DevEUI_multicast_summary", r#""x":1"#),
    ] {
        let body = format!(r#"{{"{name}":{{"DevEUI":"0016C001F016D281",{fields}}}}}"#);
        assert_eq!(decode(&body), Decoded::default(), "{name}");
        let inspection = inspect(&body);
        assert_eq!((inspection.device.as_deref(), inspection.message_id), (Some("0016c001f016d281"), None));
        let flat = format!(r#"{{"DevEUI":"0016C001F016D281",{fields}}}"#);
        assert_eq!(decode(&flat), Decoded::default(), "{name}");
    }
}

#[test]
fn several_reports_may_come_in_an_array() {
    let good = wrapped(&uplink(r#","payload":{"temperature":21}"#));
    let body = format!(r#"[{good},7,{{"DevEUI_uplink":{{"DevEUI":"a\u0000"}}}}]"#);
    let decoded = decode(&body);
    assert_eq!(decoded.readings.len(), 1);
    let places: Vec<_> = decoded.problems.iter().map(|problem| &*problem.place).collect();
    assert_eq!(places, ["[1]", "[2].DevEUI_uplink.DevEUI"]);
    assert_eq!(inspect(&body), Inspection::default());
}

#[test]
fn a_frame_that_is_reported_again_is_the_same_message() {
    let first = inspect(&wrapped(&uplink("")));
    let again = inspect(&wrapped(&uplink("").replace(r#""Late":0"#, r#""Late":1"#)));
    assert_eq!((&first.message_id, first.content), (&again.message_id, again.content));
    let later = inspect(&wrapped(&uplink("").replace("12:59", "13:59")));
    assert_ne!(first.content, later.content);
}

#[test]
fn what_is_secret_is_taken_out() {
    let mut request = request(&wrapped(&uplink(r#","AppSKey":"00""#)));
    ActilityThingpark.redact(&mut request);
    assert_eq!(request.query, "LrnDevEui=20635F039100011E&LrnFPort=18&AS_ID=a&Time=t");
    assert!(!String::from_utf8_lossy(&request.body).contains("AppSKey"));
}

#[test]
fn what_is_no_report_is_refused() {
    let refused = |body: &str| ActilityThingpark.inspect(&request(body), &Profile::default()).unwrap_err();
    for body in ["{}", "[]", "[1]", "7", r#"{"DevEUI_uplink":7}"#] {
        assert!(matches!(refused(body), FormError::Unprocessable(_)), "{body}");
    }
    assert!(matches!(refused("<DevEUI_uplink/>"), FormError::Malformed(_)));
}
