use event_model::{Quality, RecordedRequest};
use jiff::Timestamp;

use super::{Report, alias};
use crate::decode::{Context, FormError, Profile};
use crate::format::Document as _;
use crate::testing::Decoded;

fn post(form: &str) -> RecordedRequest {
    RecordedRequest { method: "POST".into(), body: form.to_owned().into(), ..RecordedRequest::default() }
}

fn decoded(form: &str) -> Decoded {
    let profile = Profile { source: "roof".into(), ..Profile::default() };
    let received_at: Timestamp = "2026-01-15T12:00:00Z".parse().unwrap();
    Report::parse("ecowitt", &post(form))
        .unwrap()
        .decode(Context { raw_names: true, ..Context::new(&profile, received_at) })
        .unwrap()
        .into()
}

#[test]
fn imperial_values_become_canonical() {
    let decoded =
        decoded("PASSKEY=k&dateutc=2026-01-15+11:59:00&tempf=50&windspeedmph=10&dailyrainin=1&baromrelin=30");
    let values: Vec<_> = decoded
        .readings
        .iter()
        .map(|reading| {
            (reading.metric.as_str(), reading.unit.as_deref().unwrap(), reading.value.as_number().unwrap())
        })
        .collect();
    assert_eq!(values[0], ("temperature", "Cel", 10.0));
    assert_eq!(values[1], ("wind_speed", "m/s", 4.4704));
    assert_eq!(values[2], ("rain_day", "mm", 25.4));
    assert!(values[3].0 == "pressure_sea_level" && (values[3].2 - 1_015.916_6).abs() < 1e-3);
    assert_eq!(decoded.readings[0].device, alias("ecowitt", "k"));
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:59:00Z");
}

#[test]
fn a_threshold_in_celsius_is_met_by_its_fahrenheit() {
    let decoded = decoded("tempf=33.8&tempinf=82.4");
    let values: Vec<_> = decoded.readings.iter().map(|reading| reading.value.as_number().unwrap()).collect();
    assert_eq!(values, [1.0, 28.0]);
}

#[test]
fn two_fields_of_one_meaning_are_told_apart_and_one_that_is_sent_twice_is_reported() {
    let decoded = decoded("tempf=50&tempc=11&uv=1&uv=2&humidity=40&humidity=40");
    let rows: Vec<_> = decoded
        .readings
        .iter()
        .map(|reading| (reading.metric.as_str(), reading.value.as_number().unwrap()))
        .collect();
    assert_eq!(
        rows,
        [("temperature", 10.0), ("tempc", 11.0), ("uv_index", 2.0), ("relative_humidity", 40.0)]
    );
    assert_eq!(decoded.problems.len(), 1);
    assert_eq!(
        (decoded.problems[0].place.as_str(), decoded.problems[0].reason.as_str()),
        ("uv_index", "2 values of `roof` at 2026-01-15T12:00:00Z: 1, 2; the last one is stored")
    );
}

#[test]
fn a_text_in_a_measured_field_is_a_problem_of_that_field() {
    let decoded = decoded("tempf=warm&humidity=40&note=hello");
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.readings[0].device, "roof");
    assert_eq!(decoded.problems.len(), 1);
    assert_eq!(
        (decoded.problems[0].place.as_str(), decoded.problems[0].reason.as_str()),
        ("tempf", "expected a number, found another text")
    );
}

#[test]
fn what_firmwares_send_for_no_value_is_no_reading() {
    let decoded = decoded("tempf=&humidity=--&winddir=null&uv=nan&rainratein=inf&batt1=0");
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(
        (decoded.readings[0].metric.as_str(), decoded.readings[0].channel.as_str()),
        ("battery_state", "batt1")
    );
    assert!(decoded.problems.is_empty());
}

#[test]
fn a_sensor_that_is_not_heard_gives_no_reading() {
    let decoded =
        decoded("tempf=-9999&winddir=-9999&windspeedmph=-9999.0&UV=-9999&rainin=0.00&indoortempf=66.2");
    let metrics: Vec<_> = decoded.readings.iter().map(|reading| reading.metric.as_str()).collect();
    assert_eq!(metrics, ["rain_hour", "temperature"]);
    assert!(decoded.problems.is_empty());
}

#[test]
fn a_clock_that_was_never_set_gives_the_receive_time_and_says_so() {
    for date in ["1970-01-01+00:00:30", "2099-01-01+00:00:00", "yesterday", "2026-02-30+00:00:00"] {
        let decoded = decoded(&format!("dateutc={date}&tempf=50"));
        let reading = &decoded.readings[0];
        assert_eq!(reading.observed_at.to_string(), "2026-01-15T12:00:00Z", "{date}");
        assert_eq!(
            (reading.quality, reading.flags.as_slice()),
            (Quality::Uncertain, ["time_implausible"].as_slice())
        );
    }
}

#[test]
fn times_are_read_in_the_spellings_of_the_firmwares() {
    for text in
        ["2020-10-05+10:36:28", "2020-10-05%2010%3A36%3A28", "2020-10-05T10:36:28Z", "2020-10-05+10:+36:+28"]
    {
        let decoded = decoded(&format!("dateutc={text}&tempf=50"));
        assert_eq!(decoded.readings[0].observed_at.to_string(), "2020-10-05T10:36:28Z", "{text}");
    }
}

#[test]
fn a_date_may_lack_its_zeros() {
    let time = |date: &str| decoded(&format!("dateutc={date}&tempf=50")).readings[0].observed_at.to_string();
    assert_eq!(time("2018-1-3%204:3:30"), "2018-01-03T04:03:30Z");
    assert_eq!(time("2018-11-23+14:33:5"), "2018-11-23T14:33:05Z");
    for date in ["2018-2-30+1:2:3", "2018-1-3", "2018-1-3+1:2", "2018-1-3+1:2:300", "a-1-3+1:2:3"] {
        assert_eq!(
            decoded(&format!("dateutc={date}&tempf=50")).readings[0].flags,
            ["time_implausible"],
            "{date}"
        );
    }
}

#[test]
fn a_station_that_says_now_gets_the_receive_time() {
    let decoded = decoded("dateutc=now&tempf=50");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T12:00:00Z");
    assert_eq!(
        (decoded.readings[0].quality, decoded.readings[0].flags.as_slice()),
        (Quality::Good, ["time_received"].as_slice())
    );
}

#[test]
fn a_request_without_fields_is_refused() {
    for body in ["", "   ", "hello", "=1", "\u{0}"] {
        assert!(
            matches!(Report::parse("ecowitt", &post(body)).err(), Some(FormError::Malformed(_))),
            "{body:?}"
        );
    }
    let mut request = post("tempf=1");
    request.headers.push(("content-type".into(), "application/json".into()));
    assert!(matches!(Report::parse("ecowitt", &request).err(), Some(FormError::UnsupportedMediaType { .. })));
    request.method = "PUT".into();
    assert!(matches!(Report::parse("ecowitt", &request).err(), Some(FormError::MethodNotAllowed { .. })));
}
