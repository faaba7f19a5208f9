//! One payload of each platform, written after its documentation, with the readings that must come of it.

use event_model::RecordedRequest;
use jiff::Timestamp;
use serde_json::json;

/// A value that must be in the database, in its canonical unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The source's name.
    pub source: &'static str,
    /// The canonical metric.
    pub metric: &'static str,
    /// The value.
    pub value: f64,
}

/// The webhooks of the platforms that give a message an id of its own.
pub const WITH_MESSAGE_ID: [&str; 2] = ["/hooks/farm", "/hooks/orchard"];

/// A payload and what must come of it.
pub type Payload = (RecordedRequest, Vec<Expected>);

fn expected<const N: usize>(source: &'static str, values: [(&'static str, f64); N]) -> Vec<Expected> {
    values.into_iter().map(|(metric, value)| Expected { source, metric, value }).collect()
}

fn post(target: &str, content_type: &str, body: String) -> RecordedRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    RecordedRequest {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body: body.into(),
    }
}

/// The Things Stack v3: an uplink of a soil sensor.
pub fn things_stack(device: usize, at: Timestamp, moisture: f64, temperature: f64) -> Payload {
    let frame = at.as_second();
    let body = json!({
        "end_device_ids": {
            "device_id": format!("soil-{device:03}"),
            "application_ids": {"application_id": "farm"},
            "dev_eui": format!("70B3D57ED000{device:04X}"),
        },
        "correlation_ids": [format!("gs:uplink:{device:05}{frame}")],
        "received_at": at.to_string(),
        "uplink_message": {
            "f_port": 2,
            "f_cnt": frame % 65_536,
            "frm_payload": "AQID",
            "decoded_payload": {"soil_moisture": moisture, "soil_temperature": temperature},
            "settings": {"time": at.to_string()},
            "received_at": at.to_string(),
        },
    });
    (
        post("/hooks/farm", "application/json", body.to_string()),
        expected("farm", [("soil_moisture", moisture), ("soil_temperature", temperature)]),
    )
}

/// The Things Stack v3: a device joined the network; no reading.
pub fn things_stack_join(device: usize, at: Timestamp) -> Payload {
    let body = json!({
        "end_device_ids": {
            "device_id": format!("soil-{device:03}"),
            "application_ids": {"application_id": "farm"},
            "dev_eui": format!("70B3D57ED000{device:04X}"),
        },
        "correlation_ids": [format!("gs:uplink:join{device:05}")],
        "received_at": at.to_string(),
        "join_accept": {"session_key_id": "AXA50AAAAAAAAAAAAAAAAA==", "received_at": at.to_string()},
    });
    (post("/hooks/farm", "application/json", body.to_string()), Vec::new())
}

/// ChirpStack v4: an uplink of a climate sensor.
pub fn chirpstack(device: usize, at: Timestamp, temperature: f64, humidity: f64) -> Payload {
    let body = json!({
        "deduplicationId": format!("3ac7e3c4-4401-4b8d-9386-{device:04}{:08x}", at.as_second()),
        "time": at.to_string(),
        "deviceInfo": {"applicationName": "orchard", "deviceName": format!("tree-{device:03}"),
                       "devEui": format!("24e124136b50{device:04x}")},
        "devAddr": "00189440",
        "fCnt": at.as_second() % 65_536,
        "fPort": 85,
        "data": "AXVcA2c=",
        "object": {"temperature": temperature, "humidity": humidity},
    });
    (
        post("/hooks/orchard?event=up", "application/json", body.to_string()),
        expected("orchard", [("temperature", temperature), ("relative_humidity", humidity)]),
    )
}

/// Ecowitt's "customized" upload: a form in imperial units, the time in UTC, the station's PASSKEY in the body.
pub fn ecowitt(station: usize, at: Timestamp, fahrenheit: f64, humidity: u32) -> Payload {
    let body = format!(
        "PASSKEY={station:032X}&stationtype=GW1100A_V2.1.4&dateutc={}&tempf={fahrenheit}&humidity={humidity}&windspeedmph=--&model=GW1100A",
        at.strftime("%Y-%m-%d+%H:%M:%S"),
    );
    (
        post("/hooks/weather", "application/x-www-form-urlencoded", body),
        expected(
            "weather",
            [("temperature", (fahrenheit - 32.0) * 5.0 / 9.0), ("relative_humidity", f64::from(humidity))],
        ),
    )
}

/// InfluxDB line protocol, several racks in one request; times in seconds.
pub fn line_protocol(
    racks: std::ops::Range<usize>,
    at: Timestamp,
    temperature: impl Fn(usize) -> f64,
) -> Payload {
    let lines: Vec<String> = racks
        .clone()
        .map(|rack| {
            format!("climate,device=rack-{rack:02} temperature={} {}", temperature(rack), at.as_second())
        })
        .collect();
    let readings = racks.map(|rack| Expected {
        source: "racks",
        metric: "climate.temperature",
        value: temperature(rack),
    });
    (post("/hooks/racks?precision=s", "text/plain", lines.join("\n")), readings.collect())
}

/// SenML (RFC 8428): a buoy on the river.
pub fn senml(buoy: usize, at: Timestamp, temperature: f64) -> Payload {
    let body = json!([
        {"bn": format!("urn:dev:ow:10e2073a0108{buoy:04x}/"), "bt": at.as_second(), "n": "temperature", "u": "Cel", "v": temperature},
        {"n": "voltage", "u": "V", "v": 3.5},
    ]);
    (
        post("/hooks/river", "application/senml+json", body.to_string()),
        expected("river", [("temperature", temperature), ("voltage", 3.5)]),
    )
}

/// Tasmota `tele/SENSOR` through a rule with WebQuery: local time without a zone, here of a source in UTC.
pub fn tasmota(plug: usize, at: Timestamp, watts: f64) -> Payload {
    let body = json!({"Time": at.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "ENERGY": {"Power": watts, "Voltage": 230}});
    (
        post(&format!("/hooks/plugs/tele/plug-{plug:02}/SENSOR"), "application/json", body.to_string()),
        expected("plugs", [("power", watts), ("voltage", 230.0)]),
    )
}

/// A firmware's own JSON, read with a mapping: a cold store's gateway in Fahrenheit.
pub fn cold_store(fridge: usize, at: Timestamp, celsius: f64) -> Payload {
    let fahrenheit = celsius * 9.0 / 5.0 + 32.0;
    let body = json!({"fridge": {"id": format!("fridge-{fridge:02}")}, "at": at.as_millisecond(), "temp_f": fahrenheit, "door": {"open": false}});
    (
        post("/hooks/cold-store", "application/json", body.to_string()),
        expected("cold-store", [("temperature", (fahrenheit - 32.0) * 5.0 / 9.0), ("door_open", 0.0)]),
    )
}
