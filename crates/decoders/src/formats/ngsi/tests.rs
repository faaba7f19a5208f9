use event_model::{RecordedRequest, Value};

use super::Ngsi;
use crate::decode::{Context, FormError, Inspection, Profile};
use crate::format::Decoder;
use crate::testing::{Decoded, Reading};

fn request(target: &str, body: &str) -> RecordedRequest {
    let head = format!("POST {target} HTTP/1.1\ncontent-type: application/json; charset=utf-8\n\n");
    RecordedRequest::parse(format!("{head}{body}").as_bytes()).unwrap()
}

fn decode_at(target: &str, body: &str) -> Decoded {
    let profile = Profile { source: "town".into(), ..Profile::default() };
    let received_at = "2026-01-15T12:00:00Z".parse().unwrap();
    let context = Context { raw_names: true, ..Context::new(&profile, received_at) };
    Ngsi.decode(&request(target, body), context).unwrap_or_else(|error| error.0.into()).into()
}

fn decode(body: &str) -> Decoded {
    decode_at("/hooks/town", body)
}

fn inspect(body: &str) -> Inspection {
    Ngsi.inspect(&request("/hooks/town", body), &Profile::default()).unwrap()
}

/// A notification of NGSI-v2.
fn v2(data: &str) -> String {
    format!(r#"{{"subscriptionId":"51c0ac9ed714fb3b37d7d5a8","data":[{data}]}}"#)
}

/// A notification of NGSI-LD.
fn ld(data: &str) -> String {
    format!(
        r#"{{"id":"urn:ngsi-ld:Notification:1","type":"Notification","subscriptionId":"urn:ngsi-ld:Subscription:1",
            "notifiedAt":"2026-01-15T11:00:00Z","data":[{data}]}}"#
    )
}

type Row<'r> = (&'r str, &'r str, &'r str, Value, Option<&'r str>);

fn row(r: &Reading) -> Row<'_> {
    (&r.device, &r.channel, &r.metric, r.value.clone(), r.unit.as_deref())
}

fn rows(decoded: &Decoded) -> Vec<Row<'_>> {
    decoded.readings.iter().map(row).collect()
}

fn times(decoded: &Decoded) -> Vec<String> {
    decoded.readings.iter().map(|reading| reading.observed_at.to_string()).collect()
}

fn number<'r>(device: &'r str, metric: &'r str, value: f64, unit: Option<&'r str>) -> Row<'r> {
    (device, "", metric, Value::Number(value), unit)
}

#[test]
fn entities_come_in_every_format_of_a_subscription() {
    let expected = [
        number("Room1", "temperature", 23.5, Some("Cel")),
        number("Room1", "relative_humidity", 70.0, Some("%RH")),
        number("Room2", "temperature", 24.0, Some("Cel")),
    ];
    let normalized =
        v2(r#"{"id":"Room1","type":"Room","temperature":{"value":23.5,"type":"Number","metadata":{}},
            "humidity":{"value":"70","type":"percentage","metadata":{}}},
           {"id":"Room2","type":"Room","temperature":{"value":24,"type":"Number","metadata":{}}}"#);
    let key_values = v2(
        r#"{"id":"Room1","type":"Room","temperature":23.5,"humidity":70},{"id":"Room2","type":"Room","temperature":24}"#,
    );
    let concise = ld(
        r#"{"id":"Room1","type":"Room","temperature":{"value":23.5,"unitCode":"CEL"},"humidity":{"value":70,"unitCode":"P1"}},
           {"id":"Room2","type":"Room","temperature":24}"#,
    );
    let features = concise
        .replace(r#""data":["#, r#""data":{"type":"FeatureCollection","features":["#)
        .replace("]}", "]}}")
        .replace(r#""type":"Room","#, r#""type":"Feature","geometry":null,"properties":{"type":"Room","#)
        .replace(r#""P1"}}"#, r#""P1"}}}"#)
        .replace(r#""temperature":24}"#, r#""temperature":24}}"#);
    let legacy = r#"{"subscriptionId":"51c0","originator":"localhost","contextResponses":[
        {"contextElement":{"attributes":[{"name":"temperature","type":"float","value":"23.5"},
            {"name":"humidity","type":"float","value":"70","metadatas":[{"name":"unitCode","type":"Text","value":"P1"}]}],
            "type":"Room","isPattern":"false","id":"Room1"},"statusCode":{"code":"200","reasonPhrase":"OK"}},
        {"contextElement":{"attributes":[{"name":"temperature","type":"float","value":"24"}],"type":"Room","id":"Room2"}}]}"#;
    for body in [normalized, key_values, concise, features, legacy.into()] {
        let decoded = decode(&body);
        assert_eq!(rows(&decoded), expected, "{body}");
        assert_eq!(decoded.problems, [], "{body}");
        assert_eq!(inspect(&body).device, None);
    }
}

#[test]
fn an_entity_may_come_without_the_notification_around_it() {
    for body in [
        r#"{"id":"Room1","type":"Room","temperature":23}"#,
        r#"{"id":"Room1","type":"Room","temperature":{"type":"Number","value":23,"metadata":{}}}"#,
    ] {
        assert_eq!(rows(&decode(body)), [number("Room1", "temperature", 23.0, Some("Cel"))]);
        assert_eq!(inspect(body).device.as_deref(), Some("Room1"));
    }
}

#[test]
fn values_alone_need_names() {
    let body = v2("[23,70],[24]");
    let decoded = decode(&body);
    assert_eq!((decoded.readings.len(), decoded.problems.len()), (0, 2));
    assert!(decoded.problems[1].reason.contains("?attrs="), "{:?}", decoded.problems);
    let named = decode_at("/hooks/town?attrs=temperature,%20humidity", &v2("[23,null]"));
    assert_eq!(rows(&named), [number("town", "temperature", 23.0, Some("Cel"))]);
    let longer = decode_at("/hooks/town?attrs=temperature", &v2("[23,70],[24]"));
    assert_eq!(rows(&longer), [number("town", "temperature", 24.0, Some("Cel"))]);
    assert_eq!(longer.problems[0].place, "data[0]");
}

#[test]
fn an_attribute_has_its_own_time_else_that_of_its_entity_else_of_the_notification() {
    let at = |time: &str| format!("2026-01-15T{time}:00Z");
    let body = ld(
        r#"{"id":"e","type":"T","a":{"type":"Property","value":1,"observedAt":"2026-01-15T09:00:00.000Z"},"b":{"type":"Property","value":2}},
           {"id":"f","type":"T","a":{"type":"Property","value":3},"dateObserved":{"type":"Property","value":"2026-01-15T08:00:00"}},
           {"id":"g","type":"T","a":4,"dateObserved":{"type":"Property","value":{"@type":"DateTime","@value":"2026-01-15T07:00:00Z"}}},
           {"id":"h","type":"T","a":5,"dateObserved":"2026-01-15T05:00:00Z/2026-01-15T06:00:00Z"},
           {"id":"i","type":"T","a":6,"dateObserved":"2026-01-15T05:00:00Z/PT30M"},
           {"id":"j","type":"T","a":7,"dateObservedFrom":"2026-01-15T03:00:00Z","dateObservedTo":"2026-01-15T04:00:00Z"},
           {"id":"k","type":"T","a":8,"dateObserved":"2026-01-15T02:00:00Z/.."}"#,
    );
    let decoded = decode(&body);
    let expected = ["09:00", "11:00", "08:00", "07:00", "06:00", "05:30", "04:00", "02:00"].map(at);
    assert_eq!(times(&decoded), expected);
    assert_eq!(decoded.readings.len(), 8, "times are no readings");
    let body = v2(
        r#"{"id":"e","type":"T","a":{"type":"Number","value":1,"metadata":{"TimeInstant":{"type":"DateTime","value":"2026-01-15T09:00:00.00Z"}}},
            "b":{"type":"Number","value":2,"metadata":{}},"TimeInstant":{"type":"DateTime","value":"2026-01-15T10:00:00.00Z","metadata":{}}},
           {"id":"f","type":"T","a":{"type":"Number","value":3,"metadata":{"observedAt":"2026-01-15T08:00:00.000Z","unitCode":"CEL"}}},
           {"id":"g","type":"T","a":4}"#,
    );
    let decoded = decode(&body);
    assert_eq!(times(&decoded), ["09:00", "10:00", "08:00", "12:00"].map(at));
    assert_eq!(decoded.readings[3].flags, ["time_received"]);
    let wrong = decode(&ld(r#"{"id":"e","type":"T","a":1,"dateObserved":"soon"}"#));
    assert_eq!(wrong.readings[0].flags, ["time_implausible"]);
}

#[test]
fn units_are_those_of_the_payload_else_of_the_model() {
    let body = ld(
        r#"{"id":"q","type":"https://uri.etsi.org/ngsi-ld/default-context/AirQualityObserved","co":{"type":"Property","value":500,"unitCode":"GP"},
            "no2":{"type":"Property","value":69,"unitCode":"GQ"},"https://smartdatamodels.org/temperature":{"type":"Property","value":53.6,"unitCode":"FAH"},
            "relativeHumidity":{"type":"Property","value":0.54},"precipitation":{"type":"Property","value":0},
            "airQualityIndex":{"type":"Property","value":65},"pressure":{"type":"Property","value":1.1},
            "heartRate":{"type":"Property","value":64,"unitCode":"5K"},"reliability":{"type":"Property","value":0.7}}"#,
    );
    let decoded = decode(&body);
    let expected = [
        number("q", "co", 500.0, Some("mg/m3")),
        number("q", "no2", 69.0, Some("ug/m3")),
        number("q", "temperature", 12.0, Some("Cel")),
        number("q", "relative_humidity", 54.0, Some("%RH")),
        number("q", "precipitation", 0.0, Some("mm")),
        number("q", "aqi", 65.0, Some("1")),
        number("q", "pressure", 1.1, Some("hPa")),
        number("q", "heart_rate", 64.0, Some("5K")),
        number("q", "reliability", 0.7, None),
    ];
    assert_eq!(rows(&decoded), expected);
    // What is of no model has an assumed unit, which must be plausible.
    let room = decode(&v2(r#"{"id":"r","type":"Room","pressure":101325}"#));
    assert_eq!(room.readings[0].flags, ["time_received", "assumed_unit", "out_of_range"]);
}

#[test]
fn fractions_are_per_cent_where_the_model_has_them() {
    for (entity, expected) in [
        (r#""type":"WeatherObserved","relativeHumidity":0.07"#, Some(7.0)),
        (r#""type":"WeatherObserved","relativeHumidity":{"value":1,"unitCode":"C62"}"#, Some(100.0)),
        (r#""type":"WeatherObserved","relativeHumidity":"54""#, Some(54.0)),
        (r#""type":"WeatherObserved","relativeHumidity":{"value":0.5,"unitCode":"P1"}"#, Some(0.5)),
        (r#""type":"Device","batteryLevel":0.75"#, Some(75.0)),
        (r#""type":"Device","batteryLevel":75"#, Some(75.0)),
        (r#""type":"Device","batteryLevel":-1"#, None),
        (r#""type":"Room","humidity":1"#, Some(1.0)),
    ] {
        let decoded = decode(&v2(&format!(r#"{{"id":"e",{entity}}}"#)));
        let values: Vec<_> = decoded.readings.iter().map(|reading| reading.value.clone()).collect();
        assert_eq!(values, expected.into_iter().map(Value::Number).collect::<Vec<_>>(), "{entity}");
    }
}

#[test]
fn links_words_and_what_was_deleted_are_no_readings() {
    let body = ld(
        r#"{"id":"e","type":"T","refDevice":{"type":"Relationship","object":"urn:x"},"near":{"object":"urn:y"},
            "label":{"type":"LanguageProperty","languageMap":{"en":"a"}},"gone":{"type":"Property","value":"urn:ngsi-ld:null"},
            "old":{"type":"Property","value":1,"deletedAt":"2026-01-15T11:00:00Z"},"rssi":{"type":"Property","value":-3},
            "none":null,"dateIssued":{"type":"Property","value":"2026-01-15T11:00:00Z"},"createdAt":"2026-01-15T11:00:00Z",
            "@context":["https://x"],"good":{"type":"Property","value":true},"state":{"type":"VocabProperty","vocab":"Open"}},
           {"id":"f","type":"T","deletedAt":"2026-01-15T11:00:00Z","a":1}"#,
    );
    let decoded = decode(&body);
    let expected =
        [("e", "", "good", Value::Flag(true), None), ("e", "", "state", Value::Text("Open".into()), None)];
    assert_eq!(rows(&decoded), expected);
    assert_eq!(decoded.problems, []);
    let body = v2(
        r#"{"id":"e","type":"T","refStore":{"type":"Text","value":"urn:x"},"t":{"type":"DateTime","value":null},
            "on_status":{"type":"commandStatus","value":"UNKNOWN"},"on_info":{"type":"commandResult","value":" "},
            "empty":{"type":"Text","value":""},"nothing":{"type":"None","value":null,"metadata":{}}}"#,
    );
    assert_eq!(rows(&decode(&body)), []);
}

#[test]
fn structures_arrays_and_datasets_have_channels() {
    let body = ld(
        r#"{"id":"e","type":"T","air":{"type":"Property","value":{"@type":"X","temperature":21,"deep":{"humidity":40}}},
            "levels":{"type":"Property","value":[1,null,3]},"list":[{"x":5}],"raw":{"type":"JsonProperty","json":{"y":6}},
            "speed":[{"type":"Property","value":55,"datasetId":"urn:ngsi-ld:Dataset:gps"},{"type":"Property","value":54}]}"#,
    );
    let decoded = decode(&body);
    let expected = [
        ("e", "air", "temperature", Value::Number(21.0), Some("Cel")),
        ("e", "air.deep", "relative_humidity", Value::Number(40.0), Some("%RH")),
        ("e", "0", "levels", Value::Number(1.0), None),
        ("e", "2", "levels", Value::Number(3.0), None),
        ("e", "list.0", "x", Value::Number(5.0), None),
        ("e", "raw", "y", Value::Number(6.0), None),
        ("e", "gps", "speed", Value::Number(55.0), None),
        ("e", "", "speed", Value::Number(54.0), None),
    ];
    assert_eq!(rows(&decoded), expected);
    assert_eq!(decoded.problems, []);
}

#[test]
fn places_are_longitude_and_latitude() {
    let point = r#"{"type":"Point","coordinates":[-3.7,40.4]}"#;
    for location in [
        format!(r#""location":{{"type":"GeoProperty","value":{point}}}"#),
        format!(r#""location":{{"type":"geo:json","value":{point},"metadata":{{}}}}"#),
        format!(r#""location":{point}"#),
        r#""location":{"type":"geo:point","value":"40.4, -3.7"}"#.into(),
        r#""location":"40.4,-3.7""#.into(),
    ] {
        let body = v2(&format!(r#"{{"id":"e","type":"T",{location}}}"#));
        let expected =
            [number("e", "longitude", -3.7, Some("lon")), number("e", "latitude", 40.4, Some("lat"))];
        assert_eq!(rows(&decode(&body)), expected, "{location}");
    }
    let other = decode(&v2(
        r#"{"id":"e","type":"T","origin":{"type":"Point","coordinates":[1,2,3]},"area":{"type":"Polygon","coordinates":[[[1,2]]]},"location":"Room 3"}"#,
    ));
    let channels: Vec<_> = decoded_channels(&other);
    assert_eq!(
        channels,
        [("origin", "longitude"), ("origin", "latitude"), ("origin", "altitude"), ("", "location")]
    );
    let swapped =
        decode(&v2(r#"{"id":"e","type":"T","location":{"type":"Point","coordinates":[40.4,-93.7]}}"#));
    assert_eq!(swapped.readings[1].flags, ["time_received", "out_of_range"]);
}

fn decoded_channels(decoded: &Decoded) -> Vec<(&str, &str)> {
    decoded.readings.iter().map(|r| (r.channel.as_str(), r.metric.as_str())).collect()
}

#[test]
fn what_describes_an_entity_becomes_tags() {
    let body = v2(
        r#"{"id":"e","type":"Room","name":{"type":"Text","value":"Hall"},"address":{"type":"PostalAddress","value":{"streetAddress":"x"}},
            "source":"http://x","description":"","temperature":1}"#,
    );
    let decoded = decode(&body);
    let tag = |tag: &str, value: &str| ("e".to_owned(), tag.to_owned(), value.to_owned());
    assert_eq!(decoded.tags, [tag("type", "Room"), tag("name", "Hall"), tag("source", "http://x")]);
    assert_eq!(decoded.readings.len(), 1);
}

#[test]
fn one_bad_part_leaves_the_good_ones() {
    let body = ld(
        r#"{"id":"e","type":"T","temperature":{"type":"Property","value":"warm"},"co2":{"type":"Property","value":400},
            "levels":[[1]],"humidity":[{"value":"dry","datasetId":"a"},{"value":50}]},7,{"id":"a\u0000b","type":"T","x":1},{"id":"f","type":"T","x":1}"#,
    );
    let decoded = decode(&body);
    let problems: Vec<_> = decoded.problems.iter().map(|p| (&*p.place, &*p.reason)).collect();
    let expected = [
        ("data[0].temperature.value", "expected a number, found a string"),
        ("data[0].levels", "expected one value, found an array"),
        ("data[0].humidity[0].value", "expected a number, found a string"),
        ("data[1]", "expected an entity, found a number"),
        ("data[2].id", "the device's name holds a control character"),
    ];
    assert_eq!(problems, expected);
    let expected = [
        number("e", "co2", 400.0, Some("ppm")),
        number("e", "relative_humidity", 50.0, Some("%RH")),
        number("f", "x", 1.0, None),
    ];
    assert_eq!(rows(&decoded), expected);
}

#[test]
fn a_notification_of_ngsi_ld_has_an_id() {
    let body = ld(r#"{"id":"urn:ngsi-ld:E01","type":"T","P1":{"type":"Property","value":1}}"#);
    let inspection = inspect(&body);
    assert_eq!(inspection.message_id.as_deref(), Some("urn:ngsi-ld:Notification:1"));
    assert_eq!(inspection.device.as_deref(), Some("urn:ngsi-ld:E01"));
    assert_eq!(inspect(&v2(r#"{"id":"e"}"#)).message_id, None);
    assert_eq!(decode(&v2("")), Decoded::default());
}

#[test]
fn what_is_no_notification_is_refused() {
    let refused = |body: &str| Ngsi.inspect(&request("/hooks/town", body), &Profile::default()).unwrap_err();
    for body in [
        "{}",
        "[]",
        r#"{"temperature":1}"#,
        r#"{"subscriptionId":"x"}"#,
        r#"{"subscriptionId":"x","data":7}"#,
    ] {
        assert!(matches!(refused(body), FormError::Unprocessable(_)), "{body}");
    }
    assert!(matches!(refused("{"), FormError::Malformed(_)));
}

#[test]
fn observations_of_the_older_models_are_read() {
    let body = v2(
        r#"{"id":"Madrid-28079004","type":"AirQualityObserved","dateObserved":"2026-01-15T10:00:00/2026-01-15T11:00:00",
            "airQualityLevel":"moderate","CO":500,"NO2":69,"NOx":139,"refPointOfInterest":"28079004-Pza. de Espanya",
            "address":{"addressCountry":"ES"},"location":{"type":"Point","coordinates":[-3.7,40.4]}}"#,
    );
    let decoded = decode(&body);
    let metrics: Vec<_> = decoded.readings.iter().map(|reading| &*reading.metric).collect();
    assert_eq!(metrics, ["air_quality_level", "co", "no2", "nox", "longitude", "latitude"]);
    assert!(times(&decoded).iter().all(|time| time == "2026-01-15T11:00:00Z"));
}
