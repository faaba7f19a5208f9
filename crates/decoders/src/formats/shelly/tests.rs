use event_model::{Quality, RecordedRequest, Value};

use super::Shelly;
use crate::decode::{Context, FormError, Profile};
use crate::format::Decoder;
use crate::testing::Decoded;

fn request(head: &str, body: &str) -> RecordedRequest {
    RecordedRequest::parse(format!("{head} HTTP/1.1\n\n{body}").as_bytes()).unwrap()
}

fn decode(head: &str, body: &str) -> Decoded {
    let profile = Profile { source: "home".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    Shelly.decode(&request(head, body), context).unwrap().into()
}

fn posted(body: &str) -> Decoded {
    decode("POST /hooks/home", body)
}

fn rows(decoded: &Decoded) -> Vec<(&str, &str, Value, Option<&str>)> {
    assert_eq!(decoded.problems, []);
    let readings = decoded.readings.iter();
    readings.map(|r| (r.channel.as_str(), r.metric.as_str(), r.value.clone(), r.unit.as_deref())).collect()
}

const fn number(value: f64) -> Value {
    Value::Number(value)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_notification_has_its_device_its_time_and_its_components() {
    let decoded = posted(
        r#"{"src":"shellyplugsg3-aa00","dst":"x","method":"NotifyStatus","params":{"ts":1768474800.25,"switch:0":{"id":0,
        "source":"WS_in","output":true,"apower":12.5,"voltage":231.2,"freq":50,"current":0.06,"pf":0.9,
        "aenergy":{"total":1500,"by_minute":[1,2,3],"minute_ts":1768474800},"ret_aenergy":{"total":40},
        "temperature":{"tC":41.5,"tF":106.7},"errors":["overtemp"]},"sys":{"uptime":9},"wifi":{"rssi":-60}}}"#,
    );
    assert_eq!(decoded.readings[0].device, "shellyplugsg3-aa00");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00.25Z");
    let expected = [
        ("switch:0", "output", Value::Flag(true), None),
        ("switch:0", "power", number(12.5), Some("W")),
        ("switch:0", "voltage", number(231.2), Some("V")),
        ("switch:0", "frequency", number(50.0), Some("Hz")),
        ("switch:0", "current", number(0.06), Some("A")),
        ("switch:0", "power_factor", number(0.9), Some("/")),
        ("switch:0", "energy_total", number(1.5), Some("kWh")),
        ("switch:0", "energy_returned_total", number(0.04), Some("kWh")),
        ("switch:0", "temperature", number(41.5), Some("Cel")),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn conductors_are_channels_of_their_meter() {
    let decoded = posted(
        r#"{"src":"d","method":"NotifyFullStatus","params":{"ts":1768474800,"em:0":{"id":0,"a_voltage":230,"n_current":null,
        "c_act_power":-3,"total_aprt_power":8,"a_errors":["phase_sequence"],"user_calibrated_phase":[]},
        "emdata:0":{"a_total_act_energy":1000,"total_act":3000,"total_act_ret":2000},
        "em1data:0":{"total_act_energy":4000},"em1:0":{"act_power":5,"calibration":"factory"}}}"#,
    );
    let expected = [
        ("em:0.a", "voltage", number(230.0), Some("V")),
        ("em:0.c", "power", number(-3.0), Some("W")),
        ("em:0.total", "apparent_power", number(8.0), Some("VA")),
        ("emdata:0.a", "energy_total", number(1.0), Some("kWh")),
        ("emdata:0.total", "energy_total", number(3.0), Some("kWh")),
        ("emdata:0.total", "energy_returned_total", number(2.0), Some("kWh")),
        ("em1data:0", "energy_total", number(4.0), Some("kWh")),
        ("em1:0", "power", number(5.0), Some("W")),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn a_sensor_that_wakes_sends_its_whole_status() {
    let decoded = posted(
        r#"{"src":"shellyhtg3-aa","method":"NotifyFullStatus","params":{"ts":1768474800,"ble":{},"devicepower:0":{"id":0,
        "battery":{"V":5.6,"percent":88},"external":{"present":false}},"humidity:0":{"id":0,"rh":45.1},
        "temperature:0":{"id":0,"tC":null,"tF":70.7},"flood:0":{"id":0,"alarm":false,"mute":false}}}"#,
    );
    let expected = [
        ("devicepower:0", "battery_voltage", number(5.6), Some("V")),
        ("devicepower:0", "battery_level", number(88.0), Some("%EL")),
        ("devicepower:0", "external_power", Value::Flag(false), None),
        ("humidity:0", "relative_humidity", number(45.1), Some("%RH")),
        ("temperature:0", "temperature", number(21.5), Some("Cel")),
        ("flood:0", "alarm", Value::Flag(false), None),
        ("flood:0", "mute", Value::Flag(false), None),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn a_button_is_an_event_and_the_device_itself_is_none() {
    let decoded = posted(
        r#"{"src":"d","method":"NotifyEvent","params":{"ts":1768474800,"events":[
        {"component":"input:1","id":1,"event":"double_push","ts":1768474799.5},{"component":"sys","event":"sleep"},
        {"component":"em1:0","event":"data","data":{"values":[[1]]}},{"component":"switch:0","event":"config_changed"}]}}"#,
    );
    assert_eq!(rows(&decoded), [("input:1", "event", text("double_push"), None)]);
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T10:59:59.5Z");
    let decoded = posted(
        r#"{"src":"d","method":"NotifyEvent","params":{"events":[3,{"component":"input:0","event":"btn_up"}]}}"#,
    );
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(
        (decoded.problems[0].place.as_str(), decoded.problems[0].reason.as_str()),
        ("params.events[0]", "expected an object with an event, found a number")
    );
}

#[test]
fn a_webhook_has_the_query_that_its_user_wrote() {
    let decoded =
        decode("GET /hooks/home?device=kitchen&tC=21.3&rh=45.5&battery_level=88&state=open&cid=0", "");
    let expected = [
        ("", "temperature", number(21.3), Some("Cel")),
        ("", "relative_humidity", number(45.5), Some("%RH")),
        ("", "battery_level", number(88.0), Some("%EL")),
        ("", "state", text("open"), None),
    ];
    assert_eq!(rows(&decoded), expected);
    assert!(decoded.readings.iter().all(|r| r.device == "kitchen" && r.flags.contains(&"time_received")));
    let decoded = decode("GET /hooks/home/attic?component=switch:0&apower=7&id=0", "");
    assert_eq!(rows(&decoded), [("switch:0", "power", number(7.0), Some("W"))]);
    assert_eq!(decoded.readings[0].device, "attic");
    // Gen1: H&T, and Door/Window.
    let decoded = decode("GET /hooks/home?hum=43&temp=21.4&id=shellyht-ABCDEF", "");
    assert_eq!(decoded.readings[0].device, "shellyht-ABCDEF");
    let decoded = decode("GET /hooks/home?lux=120&state=close&temp=null&batV=2.9", "");
    let expected = [
        ("", "illuminance", number(120.0), Some("lx")),
        ("", "state", text("close"), None),
        ("", "battery_voltage", number(2.9), Some("V")),
    ];
    assert_eq!(rows(&decoded), expected);
    assert_eq!(decoded.readings[0].device, "home");
}

#[test]
fn a_token_that_was_not_filled_in_is_a_problem_of_its_field() {
    let decoded = decode("GET /hooks/home?device=d&tC=$%7Bev.tC%7D&rh=45", "");
    assert_eq!(decoded.readings.len(), 1);
    assert_eq!(decoded.problems[0].place, "tC");
}

#[test]
fn a_status_of_the_first_generation_has_its_lists() {
    let decoded = posted(
        r#"{"wifi_sta":{"connected":true,"rssi":-61},"cloud":{"enabled":false},"time":"12:00","unixtime":1768474800,
        "serial":3,"has_update":false,"mac":"98CDAC00AA01","relays":[{"ison":true,"has_timer":false,"source":"http"}],
        "meters":[{"power":20,"is_valid":true,"timestamp":1768478400,"counters":[1,2,3],"total":60000},
        {"power":0,"is_valid":false}],"emeters":[{"power":5,"reactive":1,"total":1000,"total_returned":2000}],
        "tmp":{"value":70.7,"units":"F","tC":21.5,"tF":70.7,"is_valid":true},"hum":{"value":40},
        "bat":{"value":91,"voltage":2.95},"lux":{"value":3,"illumination":"dark"},"ext_temperature":{"0":{"hwID":"28","tC":8,"tF":46.4},"1":{"hwID":"28","tC":999,"tF":999}},"ext_humidity":{"0":{"hum":999.0}},
        "temperature":21.5,"overtemperature":false,"ram_free":30000,"uptime":100}"#,
    );
    assert_eq!(decoded.readings[0].device, "98CDAC00AA01");
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00Z");
    let expected = [
        ("relays.0", "ison", Value::Flag(true), None),
        ("meters.0", "power", number(20.0), Some("W")),
        ("meters.0", "energy_total", number(1.0), Some("kWh")),
        ("emeters.0", "power", number(5.0), Some("W")),
        ("emeters.0", "reactive_power", number(1.0), Some("var")),
        ("emeters.0", "energy_total", number(1.0), Some("kWh")),
        ("emeters.0", "energy_returned_total", number(2.0), Some("kWh")),
        ("", "relative_humidity", number(40.0), Some("%RH")),
        ("", "battery_level", number(91.0), Some("%EL")),
        ("", "battery_voltage", number(2.95), Some("V")),
        ("", "illuminance", number(3.0), Some("lx")),
        ("", "illumination", text("dark"), None),
        ("ext_temperature.0", "temperature", number(8.0), Some("Cel")),
        ("", "temperature", number(21.5), Some("Cel")),
        ("", "overtemperature", Value::Flag(false), None),
    ];
    assert_eq!(rows(&decoded), expected);
    let decoded =
        posted(r#"{"mac":"AA","unixtime":0,"time":"","tmp":{"value":70.7,"units":"F","is_valid":true}}"#);
    assert_eq!(rows(&decoded), [("", "temperature", number(21.5), Some("Cel"))]);
    assert_eq!(
        (decoded.readings[0].quality, decoded.readings[0].flags.as_slice()),
        (Quality::Good, ["time_received"].as_slice())
    );
}

#[test]
fn an_answer_and_a_bridges_message_are_unwrapped() {
    let decoded = posted(
        r#"{"id":1,"src":"d","result":{"sys":{"mac":"AA","unixtime":1768474800},"input:0":{"id":0,"state":null,"percent":7}}}"#,
    );
    assert_eq!(rows(&decoded), [("input:0", "percent", number(7.0), None)]);
    assert_eq!(decoded.readings[0].observed_at.to_string(), "2026-01-15T11:00:00Z");
    let decoded =
        posted(r#"{"sys":{"mac":"AA","unixtime":1768474800},"cover:0":{"state":"open","current_pos":100}}"#);
    assert_eq!(decoded.readings[0].device, "AA");
    let frame = r#"{"src":"d","method":"NotifyStatus","params":{"ts":1768474800,"input:0":{"state":true}}}"#;
    let text_of_frame = serde_json::to_string(frame).unwrap();
    for payload in [frame, &text_of_frame] {
        let decoded = posted(&format!(r#"{{"topic":"cellar/events/rpc","payload":{payload}}}"#));
        assert_eq!(rows(&decoded), [("input:0", "state", Value::Flag(true), None)]);
        assert_eq!(decoded.readings[0].device, "d");
    }
    let status = r#"{"id":0,"output":false,"aenergy":{"total":1000}}"#;
    let bridged = format!(r#"{{"topic":"house/cellar/status/switch:0","payload":{status}}}"#);
    for decoded in [posted(&bridged), decode("POST /hooks/home?topic=house/cellar/status/switch:0", status)] {
        let expected = [
            ("switch:0", "output", Value::Flag(false), None),
            ("switch:0", "energy_total", number(1.0), Some("kWh")),
        ];
        assert_eq!(rows(&decoded), expected);
        assert_eq!(decoded.readings[0].device, "house/cellar");
    }
    assert_eq!(posted(r#"{"topic":"cellar/online","payload":"true"}"#), Decoded::default());
}

#[test]
fn one_bad_object_of_a_batch_does_not_lose_the_good_ones() {
    let decoded = posted(
        r#"[{"src":"a","method":"NotifyStatus","params":{"input:0":{"state":true}}},7,
        {"src":"b","method":"NotifyStatus","params":[]},{"device":"c","apower":"warm","tC":"20.5"},{"src":"a\u0000","method":"NotifyStatus","params":{}}]"#,
    );
    let devices: Vec<_> = decoded.readings.iter().map(|reading| reading.device.as_str()).collect();
    assert_eq!(devices, ["a", "c"]);
    let places: Vec<_> = decoded.problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["[1]", "[2].params", "[3].apower", "[4].params."]);
}

#[test]
fn other_methods_give_no_reading() {
    for body in [
        r#"{"id":1,"src":"d","method":"Shelly.GetStatus"}"#,
        r#"{"src":"d","method":"NotifyStatus","params":{"ts":1768474800,"wifi":{"status":"got ip"},"script:1":{"running":true}}}"#,
        r#"{"id":1,"src":"d","error":{"code":404,"message":"No handler"}}"#,
        "[]",
    ] {
        let decoded = posted(body);
        assert_eq!((decoded.readings.len(), decoded.problems.len()), (0, 0), "{body}: {decoded:?}");
    }
}

#[test]
fn the_device_is_known_where_all_of_a_body_is_of_one() {
    let device =
        |body: &str| Shelly.inspect(&request("POST /hooks/home", body), &Profile::default()).unwrap().device;
    assert_eq!(device(r#"{"src":"d","method":"NotifyStatus","params":{}}"#).as_deref(), Some("d"));
    assert_eq!(device(r#"[{"device":"d"},{"device":"d"}]"#).as_deref(), Some("d"));
    assert_eq!(device(r#"[{"device":"d"},{"device":"e"}]"#), None);
    assert_eq!(device(r#"[{"device":"d"},3]"#), None);
}

#[test]
fn what_is_no_request_of_a_device_is_refused() {
    let refused =
        |head: &str, body: &str| Shelly.inspect(&request(head, body), &Profile::default()).unwrap_err();
    assert!(matches!(refused("GET /hooks/home", ""), FormError::Malformed(_)));
    assert!(matches!(refused("DELETE /hooks/home", ""), FormError::MethodNotAllowed { .. }));
    assert!(matches!(refused("POST /hooks/home", "{"), FormError::Malformed(_)));
    assert!(matches!(refused("POST /hooks/home", "3"), FormError::Unprocessable(_)));
    assert!(matches!(
        refused("POST /hooks/home", r#"{"topic":"a/events/rpc","payload":"{"}"#),
        FormError::Malformed(_)
    ));
    let mut request = request("POST /hooks/home", "{}");
    request.headers.push(("content-type".into(), "image/png".into()));
    assert!(matches!(Shelly.parse(&request).err(), Some(FormError::UnsupportedMediaType { .. })));
}
