//! What the pipeline file says of a device's values: its calibration, then its ranges.

use decoders::measure::{OUT_OF_RANGE, doubt};
use decoders::{Decoded, Problem};
use event_model::{Reading, Sample, Value, units};
use jiff::Timestamp;
use pipeline_config::Devices;
use pipeline_config::device::DeviceMetric;

/// The flag of a value that is not the one that was sent.
const CALIBRATED: &str = "calibrated";

/// Corrects the numbers of these devices, in the unit in which they are stored, and doubts what is outside of its range. A result
/// that no double can be is a problem instead of a reading.
pub(crate) fn apply(devices: &Devices, decoded: &mut Decoded) {
    let Decoded { samples, problems, .. } = decoded;
    let known = problems.count();
    for sample in &mut *samples {
        let Some(device) = devices.get(&sample.device).filter(|device| !device.metrics.is_empty()) else {
            continue;
        };
        let Sample { device: name, observed_at, readings, .. } = sample;
        readings.retain_mut(|reading| {
            let Some(metric) = device.metric(&reading.metric) else { return true };
            let settled = settle(reading, metric, *observed_at);
            if let Err(reason) = &settled {
                problems.push(Problem::new(&*reading.metric, format!("{reason} of `{name}`")));
            }
            settled.is_ok()
        });
    }
    if problems.count() > known {
        samples.retain(|sample| !sample.readings.is_empty());
    }
}

/// Corrects one value, and judges it.
fn settle(reading: &mut Reading, metric: &DeviceMetric, observed_at: Timestamp) -> Result<(), String> {
    let Value::Number(sent) = reading.value else { return Ok(()) };
    let mut value = sent;
    if let Some(calibration) = metric.calibration(observed_at) {
        value = calibration.apply(sent);
        // A direction stays within a turn.
        if reading.unit.as_deref() == Some("deg") {
            value = units::canonical(value, "deg", &reading.metric).map_or(value, |(turned, _)| turned);
        }
        if !value.is_finite() {
            return Err(format!("{sent:?} is too large for the calibration"));
        }
        reading.value = Value::Number(value);
        reading.flags.push(CALIBRATED);
    }
    if metric.range.is_some_and(|range| !range.holds(value)) {
        doubt(reading, OUT_OF_RANGE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use event_model::{Quality, RecordedRequest, Value};
    use jiff::Timestamp;
    use pipeline_config::Pipeline;

    use crate::{Accepted, Inspected, Origin};

    const PIPELINE: &str = "
sources:
  yard: {format: json}
  hall: {format: json}
devices:
  yard:
    A4-C1-38-7F-C1-E1:
      calibration:
        temperature:
          - {offset: -0.4, from: 2026-02-01T00:00:00Z}
          - {offset: 1, factor: 1.02, from: 2026-03-01T00:00:00Z}
        pressure: {factor: 1.0e+300}
        wind_direction: {offset: 15}
        open: {offset: 1}
      ranges:
        temperature: {min: -40, max: 30}
        level: {min: 0}
    vane: {ranges: {temperature: {max: 10}}}
    Pru\u{308}fstand: {calibration: {temperature: {offset: 1}}}
";

    fn accepted<'p>(pipeline: &'p Pipeline, source: &str, body: &str) -> Accepted<'p> {
        let origin = Origin::named(pipeline, source).unwrap();
        let request =
            format!("POST /hooks/{source} HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{body}");
        let request = RecordedRequest::parse(request.as_bytes()).unwrap();
        Accepted::of(origin, request, "2026-06-01T00:00:00Z".parse().unwrap())
            .unwrap()
            .without_codec()
            .unwrap()
    }

    /// Value, quality and flags of each reading.
    fn read(source: &str, body: &str) -> Vec<(Value, Quality, String)> {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let decoded = accepted(&pipeline, source, body).decoded;
        let readings = decoded.readings();
        readings
            .map(|(_, reading)| (reading.value.clone(), reading.quality, reading.flags.join(" ")))
            .collect()
    }

    fn at(time: &str, metric: &str) -> Vec<(Value, Quality, String)> {
        read("yard", &format!(r#"{{"device":"a4c1387fc1e1","time":"{time}",{metric}}}"#))
    }

    fn of(value: f64, quality: Quality, flags: &str) -> Vec<(Value, Quality, String)> {
        vec![(Value::Number(value), quality, flags.to_owned())]
    }

    #[test]
    fn a_value_is_corrected_by_the_calibration_of_its_time() {
        let temperature = r#""temperature":"20.1 \u00b0C""#;
        for (time, value, flags) in [
            ("2026-01-31T23:59:59Z", 20.1, ""),
            ("2026-02-01T00:00:00Z", 19.7, "calibrated"),
            ("2026-03-01T01:00:00+02:00", 19.7, "calibrated"),
            ("2026-03-01T00:00:00Z", 21.502, "calibrated"),
        ] {
            assert_eq!(at(time, temperature), of(value, Quality::Good, flags), "{time}");
        }
        // In the unit in which it is stored, whatever the payload writes.
        let fahrenheit = at("2026-02-01T00:00:00Z", r#""temperature":"68 \u00b0F""#);
        assert_eq!(fahrenheit, of(19.6, Quality::Good, "calibrated"));
    }

    #[test]
    fn other_devices_sources_metrics_and_kinds_stay_as_they_are() {
        let now = "2026-05-01T00:00:00Z";
        for (source, device) in [("yard", "a4c1387fc1e2"), ("hall", "a4c1387fc1e1"), ("yard", "Vane")] {
            let body = format!(r#"{{"device":"{device}","time":"{now}","temperature":"20.1 \u00b0C"}}"#);
            assert_eq!(read(source, &body), of(20.1, Quality::Good, ""), "{source} {device}");
        }
        assert_eq!(at(now, r#""voltage":"3.2 V""#), of(3.2, Quality::Good, ""));
        assert_eq!(at(now, r#""open":true"#), [(Value::Flag(true), Quality::Good, String::new())]);
    }

    #[test]
    fn a_name_is_compared_in_its_normal_form() {
        let body =
            "{\"device\":\"Pr\u{fc}fstand\",\"time\":\"2026-05-01T00:00:00Z\",\"temperature\":\"20 C\"}";
        assert_eq!(read("yard", body), of(21.0, Quality::Good, "calibrated"));
    }

    #[test]
    fn the_range_judges_the_corrected_value() {
        let now = "2026-02-02T00:00:00Z";
        let temperature = |value: &str| at(now, &format!(r#""temperature":"{value} \u00b0C""#));
        assert_eq!(temperature("30.4"), of(30.0, Quality::Good, "calibrated"));
        assert_eq!(temperature("30.5"), of(30.1, Quality::Uncertain, "calibrated out_of_range"));
        assert_eq!(temperature("-39.7"), of(-40.1, Quality::Uncertain, "calibrated out_of_range"));
        assert_eq!(at(now, r#""level":"-1 m""#), of(-1.0, Quality::Uncertain, "out_of_range"));
        // What was doubted already is doubted once.
        let impossible = temperature("-300");
        assert_eq!(impossible, of(-300.4, Quality::Uncertain, "out_of_range calibrated"));
    }

    #[test]
    fn a_direction_stays_within_a_turn() {
        let now = "2026-05-01T00:00:00Z";
        assert_eq!(at(now, r#""wind_direction":"350 deg""#), of(5.0, Quality::Good, "calibrated"));
    }

    #[test]
    fn what_no_double_can_be_is_a_problem_and_no_reading() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let body = r#"[{"device":"a4c1387fc1e1","time":"2026-05-01T00:00:00Z","pressure":"1e300 hPa"},
            {"device":"a4c1387fc1e1","time":"2026-05-01T00:01:00Z","pressure":"1e300 hPa","level":"2 m"}]"#;
        let accepted = accepted(&pipeline, "yard", body);
        let stored: Vec<_> = accepted.decoded.readings().map(|(_, reading)| reading.value.clone()).collect();
        assert_eq!(stored, [Value::Number(2.0)]);
        assert!(accepted.decoded.samples.iter().all(|sample| !sample.readings.is_empty()));
        assert_eq!(accepted.decoded.problems.count(), 2);
        assert!(accepted.reason().starts_with("pressure: 1e300 is"), "{}", accepted.reason());
        assert!(
            accepted.reason().contains("too large for the calibration of `a4c1387fc1e1`"),
            "{}",
            accepted.reason()
        );
    }

    #[test]
    fn a_look_at_a_format_shows_what_is_stored() {
        let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
        let origin = Origin::named(&pipeline, "yard").unwrap();
        let request = "POST / HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{\"device\":\"vane\",\"temperature\":\"20 C\"}";
        let request = RecordedRequest::parse(request.as_bytes()).unwrap();
        let inspected = Inspected::of(origin, &request).unwrap();
        let decoded = inspected.decoded_with_raw_names(Timestamp::UNIX_EPOCH, None).unwrap();
        let (_, reading) = decoded.readings().next().unwrap();
        assert_eq!(
            (reading.quality, reading.raw_metric.as_deref()),
            (Quality::Uncertain, Some("temperature"))
        );
    }
}
