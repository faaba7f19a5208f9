//! No format panics, whatever comes in, and none keeps a reading that the database could not.

use decoders::{Context, Profile, all};
use event_model::{RecordedRequest, Value};
use proptest::prelude::*;

const CONTENT_TYPES: [&str; 11] = [
    "",
    "application/json",
    "application/senml+json",
    "application/sensml+json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "text/plain",
    "application/octet-stream",
    "application/x-protobuf",
];

/// Bodies that come far: valid ones of each format, some of whose bytes are then changed.
const SEEDS: [&str; 27] = [
    r#"{"id":"1","type":"sample-feed","data":[{"serialNumber":"1","recorded":"2024-01-01T00:00:00","temp":1,"sensorUnits":{"temp":"f"}}]}"#,
    "5386026e5f08822009b8b610,21.5,2024-01-01T00:00:00Z,7.6,51.9\n5386026e5f08822009b8b60f,1\n",
    r#"[{"bn":"urn:dev:a:","bt":1.7e9,"bu":"Cel","n":"temp","v":21.5,"s":3},{"n":"b","vs":"x"},{"n":"c","vd":"aGkK"}]"#,
    "m,host=a,room=b temp=21.5,n=3i,u=4u,f=t,s=\"a\\\"b\" 1700000000000000000\nm v=1\n",
    "PASSKEY=AB%3ACD&dateutc=2024-01-01+00:00:00&tempf=50&soilmoisture1=3&batt1=0&leak_ch1=1&x=y",
    r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","time":"2024-01-01T00:00:00Z","data":{"a":[1,{"b":2}]}}"#,
    r#"[{"id":"1","eventType":"Microsoft.Devices.DeviceTelemetry","data":{"body":"eyJhIjoxfQ==","systemProperties":{}}}]"#,
    r#"{"end_device_ids":{"dev_eui":"00","device_id":"d"},"uplink_message":{"decoded_payload":{"temperature":1}}}"#,
    r#"{"deviceInfo":{"devEui":"00"},"time":"2024-01-01T00:00:00+00:00","object":{"temperature":"21 °C"}}"#,
    r#"{"DevEUI_uplink":{"DevEUI":"00","FCntUp":1,"payload":{"a":1},"points":{"location":{"unitId":"GPS","record":[1,2]},"b":{"records":[{"eventTime":1,"value":2}]}}}}"#,
    r#"[{"webhookPushEvent":{"eventId":"1","eventType":"DEVICE_DATA","data":{"ts":1763007319532,"tslId":"historical_data","payload":{"history":{"timestamp":1,"a":1}}}}}]"#,
    r#"{"devEUI":"00","time":"2020-0327T12:39:05Z","fPort":85,"rxInfo":[{"rssi":1}],"object":{"battery":1,"temperature_left":2}}"#,
    r#"{"id":"n","type":"Notification","notifiedAt":"2024-01-01T00:00:00Z","data":[{"id":"e","type":"T","a":{"type":"Property","value":1,"unitCode":"CEL","observedAt":"2024-01-01T00:00:00Z"},"b":[{"value":2,"datasetId":"x"}]}]}"#,
    r#"{"subscriptionId":"1","data":[{"id":"e","location":{"type":"Point","coordinates":[1,2]},"dateObserved":"2024-01-01T00:00:00Z/PT1H","a":{"value":1,"metadata":{"unit":{"value":"C"}}}}]}"#,
    r#"{"cmd":"gw","EUI":"00","ts":1768478340250,"fcnt":1,"gws":[{"ts":1}],"decoded":{"data":{"temperature":1},"errors":["x"]}}"#,
    r#"{"Time":"2024-01-01T00:00:00","DS18B20-1":{"Id":"0","Temperature":1},"ENERGY":{"Total":1,"Power":[1,2]},"TempUnit":"F"}"#,
    r#"{"src":"d","method":"NotifyStatus","params":{"ts":1.7e9,"em:0":{"a_voltage":1},"switch:0":{"aenergy":{"total":2}}}}"#,
    "device=d&tC=21.3&rh=45&state=open&component=switch:0&id=1",
    r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","unit":"Cel","sum":{"dataPoints":[{"asInt":"7","timeUnixNano":"1700000000000000000"}]}}]}]}]}"#,
    "\n+\n\u{15}\n\u{13}\n\thost.name\u{12}\u{6}\n\u{4}gw-1\u{12}\u{12}\u{12}\u{10}\n\u{1}m*\u{b}\n\t!\0\0\0\0\0\0\0@",
    "event=env/air&data=%7B%22tempc%22%3A21%2C%22hum%22%3A%2244%22%7D&published_at=2026-01-15T11:00:00Z&coreid=3f00",
    r#"{"id":"B92A4","time":"1768474800","seqNumber":"7","data":"00","customData#temp":"21","temp":"{temp}","batt":3}"#,
    "1D4F7A;1768474860;23.5;3.12;false;1256;16.68;-128.0;48.0;2.0;0CB3;35.23\ndevice:1D4F7A; temp:20",
    r#"[{"topic":"zigbee2mqtt/a","payload":"{\"voltage\":2955,\"power_phase_b\":1,\"device\":{\"model\":\"x\"}}"},{"topic":"a/b","payload":7}]"#,
    r#"[{"event_type":"state_changed","data":{"new_state":{"entity_id":"a.b","state":"1","attributes":{"unit_of_measurement":"W"}}}},{"a.b":"x"}]"#,
    r#"{"esp8266id":"1","sensordatavalues":[{"value_type":"SDS_P1","value":"5.38"},{"value_type":"GPS_lat","value":"-200"},{"value_type":"signal","value":"-59 dBm"}]}"#,
    r#"[{"device":"d","metric":"m","observed_at":"2026-01-15T11:00:00Z","kind":"bytes","text":"00ff","unit":"","quality":"bad"}]"#,
];

fn check(request: &RecordedRequest) -> Result<(), TestCaseError> {
    let profile = Profile { source: "source".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().expect("a time");
    for format in all() {
        let mut request = request.clone();
        format.redact(&mut request);
        let _ = format.inspect(&request, &profile);
        let Ok(decoded) =
            format.decode(&request, Context { raw_names: true, ..Context::new(&profile, received_at) })
        else {
            continue;
        };
        for (sample, reading) in decoded.readings() {
            let names = [&sample.device, &sample.channel, &reading.metric];
            prop_assert!(names.iter().all(|name| !name.contains('\0')), "{}: {sample:?}", format.name());
            prop_assert!(
                !sample.device.is_empty() && !reading.metric.is_empty(),
                "{}: {sample:?}",
                format.name()
            );
            let storable = match &reading.value {
                Value::Number(number) => number.is_finite(),
                Value::Text(text) => !text.contains('\0'),
                Value::Flag(_) | Value::Bytes(_) => true,
            };
            prop_assert!(storable, "{}: {sample:?}", format.name());
            prop_assert_eq!(sample.observed_at.as_nanosecond() % 1000, 0);
        }
    }
    Ok(())
}

fn request(content_type: &str, query: String, body: Vec<u8>) -> RecordedRequest {
    let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
    headers.retain(|(_, value)| !value.is_empty());
    RecordedRequest { method: "POST".into(), path: "/hooks/source".into(), query, headers, body: body.into() }
}

proptest! {
    #[test]
    fn arbitrary_bodies_are_taken_or_refused(
        content_type in prop::sample::select(CONTENT_TYPES.as_slice()),
        query in "[ -~]{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        check(&request(content_type, query, body))?;
    }

    #[test]
    fn changed_payloads_are_taken_or_refused(
        content_type in prop::sample::select(CONTENT_TYPES.as_slice()),
        seed in prop::sample::select(SEEDS.as_slice()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut body = seed.as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(body.len());
            body[at] = byte;
        }
        check(&request(content_type, "event=up&precision=s".into(), body))?;
    }
}
