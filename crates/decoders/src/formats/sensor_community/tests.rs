use event_model::{Quality, RecordedRequest, Value};

use super::SensorCommunity;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(headers: &str, body: &str) -> RecordedRequest {
    let head = format!("POST /hooks/air HTTP/1.1\ncontent-type: application/json\n{headers}\n");
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode(headers: &str, body: &str) -> Decoded {
    let profile = Profile { source: "air".into(), ..Profile::default() };
    let context =
        Context { raw_names: true, ..Context::new(&profile, "2026-01-15T12:00:00Z".parse().unwrap()) };
    SensorCommunity.decode(&request(headers, body), context).unwrap().into()
}

const BOARD: &str = "X-Sensor: esp8266-1234567\nX-PIN: 0\nX-MAC-ID: esp8266-a4cf12000000\n";

/// A message with these names and values, which are JSON.
fn message(values: &[(&str, &str)]) -> String {
    let items: Vec<_> =
        values.iter().map(|(name, value)| format!(r#"{{"value_type":"{name}","value":{value}}}"#)).collect();
    format!(
        r#"{{"esp8266id":"1234567","software_version":"NRZ-2024-135","sensordatavalues":[{}]}}"#,
        items.join(",")
    )
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, f64, Option<&str>)> {
    let readings = decoded.readings.iter();
    readings
        .map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.as_number().unwrap(), r.unit.as_deref()))
        .collect()
}

#[test]
fn all_sensors_at_once_are_channels() {
    let body = message(&[
        ("SDS_P1", r#""12.30""#),
        ("SDS_P2", r#""4.98""#),
        ("SPS30_P0", "1.5"),
        ("SPS30_N25", r#""7.25""#),
        ("BME280_temperature", r#""-3.20""#),
        ("BME280_humidity", r#""81.00""#),
        ("BME280_pressure", r#""98765.43""#),
        ("temperature", r#""21.50""#),
        ("SCD30_co2_ppm", r#""640""#),
        ("DNMS_noise_LAeq", r#""48.1""#),
        ("GPS_lat", r#""48.800000""#),
        ("GPS_height", r#""250.00""#),
        ("GPS_timestamp", r#""1970-01-01T00:00:00.000""#),
        ("samples", r#""5000000""#),
        ("min_micro", r#""28""#),
        ("interval", r#""145000""#),
        ("signal", r#""-67""#),
    ]);
    let decoded = decode(BOARD, &body);
    let expected = [
        ("SDS", "pm10", 12.3, Some("ug/m3")),
        ("SDS", "pm2_5", 4.98, Some("ug/m3")),
        ("SPS30", "pm1", 1.5, Some("ug/m3")),
        ("SPS30", "n25", 7.25, None),
        ("BME280", "temperature", -3.2, Some("Cel")),
        ("BME280", "relative_humidity", 81.0, Some("%RH")),
        ("BME280", "pressure", 987.6543, Some("hPa")),
        ("", "temperature", 21.5, Some("Cel")),
        ("SCD30", "co2", 640.0, Some("ppm")),
        ("DNMS", "noise_laeq", 48.1, Some("dB")),
        ("GPS", "latitude", 48.8, Some("lat")),
        ("GPS", "altitude", 250.0, Some("m")),
        ("", "samples", 5_000_000.0, Some("count")),
        ("", "min_micro", 28.0, Some("us")),
        ("", "interval", 145_000.0, Some("ms")),
        ("", "rssi", -67.0, Some("dBm")),
    ];
    assert_eq!(rows(&decoded), expected);
    assert!(decoded.problems.is_empty());
    let first = &decoded.readings[0];
    assert_eq!((first.device.as_str(), first.quality), ("esp8266-1234567", Quality::Good));
    assert_eq!(first.observed_at.to_string(), "2026-01-15T12:00:00Z");
    assert_eq!(decoded.tags, [("esp8266-1234567".into(), "software_version".into(), "NRZ-2024-135".into())]);
}

#[test]
fn a_sensor_that_is_sent_by_itself_is_told_by_its_pin() {
    let channel = |pin: &str, name: &str| {
        let headers = format!("X-Sensor: esp8266-1\nX-PIN: {pin}\n");
        decode(&headers, &message(&[(name, r#""21.5""#)])).readings.remove(0).channel
    };
    assert_eq!(channel("1", "P1"), "");
    assert_eq!(channel("7", "temperature"), "pin7");
    assert_eq!(channel("11", "temperature"), "pin11");
    assert_eq!(channel("11", "BME280_temperature"), "BME280");
    assert_eq!(channel("x y", "temperature"), "");
}

#[test]
fn the_board_is_named_by_a_header_field_or_the_message() {
    let device = |headers: &str, ids: &str| {
        let body = format!(r#"{{{ids}"sensordatavalues":[{{"value_type":"P1","value":"1"}}]}}"#);
        let inspection = SensorCommunity.inspect(&request(headers, &body), &Profile::default()).unwrap();
        let device = decode(headers, &body).readings.remove(0).device;
        assert!(inspection.device.is_none_or(|found| found == device));
        device
    };
    assert_eq!(device("X-Sensor: esp32-00ff\n", r#""esp8266id":"255","#), "esp32-00ff");
    assert_eq!(device("", r#""esp8266id":"1234567","#), "esp8266-1234567");
    assert_eq!(device("", r#""esp8266id":1234567,"#), "esp8266-1234567");
    assert_eq!(device("", r#""esp32id":"a4cf12","#), "esp32-a4cf12");
    assert_eq!(device("", r#""esp8266id":"esp32-77","#), "esp32-77");
    assert_eq!(device("X-MAC-ID: esp8266-a4cf12000000\n", r#""esp8266id":"","#), "esp8266-a4cf12000000");
    assert_eq!(device("", ""), "air");
}

#[test]
fn what_a_sensor_could_not_measure_is_no_reading() {
    let body = message(&[
        ("SDS_P1", r#""nan""#),
        ("SDS_P2", "null"),
        ("BME280_humidity", r#""""#),
        ("GPS_lat", r#""-200.000000""#),
        ("GPS_lon", "-200"),
        ("GPS_height", r#""-1000.00""#),
        ("GPS_date", r#""01/15/2026""#),
        ("P2", r#""nan""#),
        ("P2", r#""4.98""#),
    ]);
    let decoded = decode(BOARD, &body);
    assert_eq!(rows(&decoded), [("", "pm2_5", 4.98, Some("ug/m3"))]);
    assert!(decoded.problems.is_empty());
    assert_eq!(decode(BOARD, &message(&[])).readings, []);
}

#[test]
fn a_bad_item_does_not_lose_the_others() {
    let body = r#"{"sensordatavalues":[{"value_type":"SDS_P1","value":"much"},7,{"value":"1"},{"value_type":"P2"},
        {"value_type":"temperature","value":[1]},{"value_type":"humidity","value":"40.00"},{"value_type":"P1","value":"1"},{"value_type":"P1","value":"2"}]}"#;
    let decoded = decode(BOARD, body);
    let expected = [("", "relative_humidity", 40.0, Some("%RH")), ("", "pm10", 2.0, Some("ug/m3"))];
    assert_eq!(rows(&decoded), expected);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    let expected = [
        "sensordatavalues[0].value",
        "sensordatavalues[1]",
        "sensordatavalues[2].value_type",
        "sensordatavalues[3].value",
        "sensordatavalues[4].value",
        "pm10",
    ];
    assert_eq!(places, expected);
}

#[test]
fn a_particle_counter_counts() {
    let body = message(&[
        ("durP1", r#""1000""#),
        ("ratioP1", r#""0.02""#),
        ("P1", r#""12.50""#),
        ("SDS_P1", r#""3""#),
    ]);
    let expected = [
        ("", "dur_p1", 1000.0, None),
        ("", "ratio_p1", 0.02, None),
        ("", "p1", 12.5, None),
        ("SDS", "pm10", 3.0, Some("ug/m3")),
    ];
    assert_eq!(rows(&decode(BOARD, &body)), expected);
}

#[test]
fn a_list_may_have_times_and_sensors() {
    let body = r#"[{"id":1,"timestamp":"2026-01-15 11:55:00","sensor":{"id":77,"pin":"1","sensor_type":{"name":"SDS011"}},
        "sensordatavalues":[{"id":2,"value_type":"P1","value":"9.1"}]},{"x":1},7]"#;
    let decoded = decode("", body);
    assert_eq!(rows(&decoded), [("", "pm10", 9.1, Some("ug/m3"))]);
    let reading = &decoded.readings[0];
    assert_eq!(
        (reading.device.as_str(), reading.observed_at.to_string().as_str()),
        ("77", "2026-01-15T11:55:00Z")
    );
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[1]", "[2]"]);
}

#[test]
fn a_signal_may_have_its_unit_behind_it() {
    let decoded = decode(BOARD, &message(&[("signal", r#""-59 dBm""#), ("status", r#""ok""#)]));
    assert_eq!(decoded.readings[0].value, Value::Number(-59.0));
    assert_eq!(decoded.readings[0].unit.as_deref(), Some("dBm"));
    assert_eq!(decoded.readings[1].value, Value::Text("ok".into()));
}

#[test]
fn what_is_no_message_is_refused() {
    let refused =
        |body: &str| SensorCommunity.inspect(&request(BOARD, body), &Profile::default()).unwrap_err();
    for body in ["", "P1=1", r#"{"sensordatavalues":["#] {
        assert!(matches!(refused(body), FormError::Malformed(_)), "{body}");
    }
    for body in ["7", "{}", "[]", "[{}]", r#"{"sensordatavalues":null}"#, r#"{"sensordatavalues":{"P1":1}}"#]
    {
        assert!(matches!(refused(body), FormError::Unprocessable(_)), "{body}");
    }
}
