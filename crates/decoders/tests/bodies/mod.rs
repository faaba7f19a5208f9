//! Requests that hold as much as a sender can put into a body of a given size, and repeat what is long in it.

use std::collections::BTreeMap;

use decoders::{Context, Decoded, Mapping, MetricMapping, Options, Profile, by_name};
use event_model::RecordedRequest;

/// A request to a format.
pub(crate) struct Case {
    /// What is in it.
    pub(crate) name: String,
    format: &'static str,
    profile: Profile,
    request: RecordedRequest,
}

impl Case {
    /// What the request comes to.
    pub(crate) fn decoded(&self) -> Decoded {
        let received_at = "2026-01-15T12:00:00Z".parse().expect("a time");
        let context = Context::new(&self.profile, received_at);
        let format = by_name(self.format).expect("a format");
        format.decode(&self.request, context).unwrap_or_else(|error| error.0.into())
    }
}

/// What stands in a body, of that many bytes.
type Text<'a> = &'a dyn Fn(usize) -> String;

/// The requests of one kind, with bodies of at most `size` bytes.
pub(crate) struct Bodies {
    size: usize,
    /// The requests.
    pub(crate) cases: Vec<Case>,
}

impl Bodies {
    fn new(size: usize) -> Self {
        Self { size, cases: Vec::new() }
    }

    fn add(&mut self, case: &str, format: &'static str, content_type: &str, body: String) {
        self.add_mapped(case, format, content_type, (body, None));
    }

    fn add_mapped(
        &mut self,
        case: &str,
        format: &'static str,
        content_type: &str,
        (body, mapping): (String, Option<Mapping>),
    ) {
        self.add_with(
            case,
            (format, content_type),
            body.into(),
            mapping.map(Options::new).unwrap_or_default(),
        );
    }

    fn add_bytes(&mut self, case: &str, format: &'static str, content_type: &str, body: Vec<u8>) {
        self.add_with(case, (format, content_type), body, Options::default());
    }

    fn add_with(
        &mut self,
        case: &str,
        (format, content_type): (&'static str, &str),
        body: Vec<u8>,
        options: Options,
    ) {
        assert!(body.len() <= self.size, "{case}: {}", body.len());
        let profile = Profile { source: "source".into(), options, ..Profile::default() };
        let request = RecordedRequest {
            method: "POST".into(),
            path: "/hooks/source".into(),
            query: "event=up".into(),
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
        };
        self.cases.push(Case { name: format!("{format}: {case}"), format, profile, request });
    }

    fn json(&mut self, case: &str, body: String) {
        self.add(case, "json", "application/json", body);
    }

    /// `begin`, as many of `items` as a body holds with `between` them, and `end`.
    fn filled(&self, begin: &str, between: &str, end: &str, item: impl Fn(usize) -> String) -> String {
        let mut body = begin.to_owned();
        for index in 0.. {
            let item = item(index);
            if body.len() + between.len() + item.len() + end.len() > self.size {
                break;
            }
            if index > 0 {
                body.push_str(between);
            }
            body.push_str(&item);
        }
        body + end
    }
}

/// Every kind of body.
pub(crate) const ALL: [fn(usize) -> Bodies; 7] = [
    objects_of_json,
    values_that_take_each_others_place,
    long_keys_of_json,
    what_a_mapping_takes_from_the_root,
    records_of_senml,
    lines_of_points,
    envelopes,
];

/// A key of `bytes`, unlike that of another index.
fn key(bytes: usize, index: usize) -> String {
    let number = index.to_string();
    format!("{}{number}", "k".repeat(bytes - number.len()))
}

/// Objects, and what stands in the place of objects.
fn objects_of_json(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    let list = |item: fn(usize) -> String| Bodies::new(size).filled("[", ",", "]", item);
    bodies.json("small objects", list(|_| r#"{"a":1}"#.into()));
    bodies.json("no objects", list(|_| "1".into()));
    bodies.json("empty objects", list(|_| "{}".into()));
    bodies.json("empty keys", list(|_| r#"{"":{"":1}}"#.into()));
    bodies.json("many devices", list(|n| format!(r#"{{"mac":"{n}","a":1}}"#)));
    bodies.json("many times", list(|n| format!(r#"{{"ts":{},"a":1}}"#, 1_700_000_000 + n)));
    bodies.json("texts", list(|_| r#"{"a":"x"}"#.into()));
    bodies.json("problems", list(|_| r#"{"a":1e999}"#.into()));
    bodies.json("arrays", list(|_| format!(r#"{{"a":[{}1]}}"#, "1,".repeat(998))));
    bodies.json(
        "times in arrays",
        list(|_| format!(r#"{{"a":[{}{{}}]}}"#, r#"{"ts":1768471200,"x":1},"#.repeat(400))),
    );
    let names: Vec<_> =
        (0..150).map(|n| format!(r#""{}temp{}":1"#, "_".repeat(n % 15), "_".repeat(n / 15))).collect();
    let names = format!(r#"{{"{}temp":1,{}}}"#, "_".repeat(1_900), names.join(","));
    bodies.json("one name in many spellings", bodies.filled("[", ",", "]", |_| names.clone()));
    let surrogates = "\\ud800".repeat(size / 8);
    bodies.json("half surrogates", format!(r#"{{"device":"{surrogates}"}}"#));
    bodies
}

/// Several values of one device, channel, metric and time.
fn values_that_take_each_others_place(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    let pair = |n: usize| format!(r#"{{"ts":{},"a":{n}}}"#, 1_700_000_000 + n / 2);
    bodies.json("one moment", bodies.filled("[", ",", "]", |n| format!(r#"{{"a":{n}}}"#)));
    bodies.json("pairs", bodies.filled("[", ",", "]", pair));
    let long = key(500, 0);
    let mapping = Mapping {
        items: Some("/items".into()),
        device: vec!["^/gateway".into()],
        channel: Some("^/gateway".into()),
        time: vec!["/ts".into()],
        ..Mapping::default()
    };
    let body = bodies.filled(&format!(r#"{{"gateway":"{long}","items":["#), ",", "]}", pair);
    bodies.add_mapped("pairs of a long name", "json", "application/json", (body, Some(mapping)));
    let body = bodies.filled("", "\n", "", |n| format!("m,host=h,t={n} a={n} {}", n / 2));
    bodies.add("points", "influx_line_protocol", "text/plain", body);
    let begin = format!(r#"[{{"bn":"{long}","v":1}},"#);
    let body = bodies.filled(&begin, ",", "]", |n| format!(r#"{{"v":{n},"t":{}}}"#, n / 2));
    bodies.add("records", "senml_json", "application/senml+json", body);
    bodies
}

/// Keys as long as a name, and as long as the body.
fn long_keys_of_json(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    let ones = "1,".repeat(998);
    bodies.json("a key as long as the body", format!(r#"{{"{}":[{ones}1]}}"#, key(size - 8 * 1024, 0)));
    let long = |bytes: usize| move |n: usize| format!(r#"{{"{}":[{}1]}}"#, key(bytes, n), "1,".repeat(998));
    bodies.json("a key as long as a name", bodies.filled("[", ",", "]", long(500)));
    bodies.json("a key longer than a name", bodies.filled("[", ",", "]", long(2_000)));
    let ones = ["1"; 990].join(",");
    let marks = format!(r#"{{"{}":{{"v":[{ones}]}}}}"#, "a\u{301}".repeat(160));
    bodies.json("a channel to be composed", bodies.filled("[", ",", "]", |_| marks.clone()));
    let channels: Vec<_> = (0..1000).map(|n| format!(r#""{n}":{{"a":1}}"#)).collect();
    let channels = channels.join(",");
    let long = |n| format!(r#"{{"{}":{{{channels}}}}}"#, key(500, n));
    bodies.json("long channels", bodies.filled("[", ",", "]", long));
    let keys = 90.min((size - 14 * 1024) / 920);
    let nested: String = (0..keys).map(|n| format!(r#"{{"{}":"#, key(900, n))).collect();
    bodies.json("nested", format!("{nested}{{{channels}}}{}", "}".repeat(keys)));
    let deep: String = (0..9).map(|n| format!(r#"{{"{}":"#, key(size / 12, n))).collect();
    let end = format!("]{}", "}".repeat(9));
    for (case, item) in [("empty", "{}"), ("objects without a value", r#"{"a":null}"#), ("values", "1")] {
        let body = bodies.filled(&format!("{deep}["), ",", &end, |_| item.into());
        bodies.json(&format!("{case} below long keys"), body);
    }
    bodies
}

/// What a mapping takes from the root for every item.
fn what_a_mapping_takes_from_the_root(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    let metric = |value: &str, unit_at: Option<&str>| MetricMapping {
        value: value.into(),
        unit_at: unit_at.map(Into::into),
        ..MetricMapping::default()
    };
    let metrics = |metric: MetricMapping| BTreeMap::from([("m".into(), metric)]);
    let plain = || Mapping { items: Some("/items".into()), ..Mapping::default() };
    let of_root = || vec!["^/root".to_owned()];
    let text = |bytes: usize| format!(r#""{}""#, key(bytes, 0));
    let composed = |bytes: usize| format!(r#""{}""#, "a\u{301}".repeat(bytes / 3));
    let blanks = |bytes: usize| format!(r#""{}x""#, " ".repeat(bytes - 1));
    let digits = |bytes: usize| format!("1{}", "0".repeat(bytes - 1));
    let nulls = |bytes: usize| format!("[{}]", vec!["null"; bytes / 5].join(","));
    let in_text = |bytes: usize| format!(r#""{}""#, digits(bytes));
    let device = Mapping { device: of_root(), time: vec!["/a".into()], ..plain() };
    let time = Mapping { time: of_root(), ..plain() };
    let channel = Mapping { channel: Some("^/root".into()), ..plain() };
    let value = Mapping { metrics: metrics(metric("^/root", None)), ..plain() };
    let unit = Mapping { metrics: metrics(metric("/a", Some("^/root"))), ..plain() };
    let of_metrics = Mapping { metrics: metrics(metric("/a", None)), ..channel.clone() };
    let cases: [(_, _, Text<'_>); 11] = [
        ("unit", &unit, &text),
        ("device", &device, &text),
        ("device to be composed", &device, &composed),
        ("device behind blanks", &device, &blanks),
        ("time of digits", &time, &in_text),
        ("time behind blanks", &time, &blanks),
        ("channel to be composed", &channel, &composed),
        ("channel of metrics", &of_metrics, &composed),
        ("value", &value, &text),
        ("digits", &value, &digits),
        ("array", &value, &nulls),
    ];
    for (case, mapping, root) in cases {
        for bytes in [2_000, size / 2] {
            let begin = format!(r#"{{"root":{},"items":["#, root(bytes));
            let item = |n| format!(r#"{{"a":{}}}"#, 1_700_000_000 + n);
            let body = bodies.filled(&begin, ",", "]}", item);
            let case = format!("{case} of {bytes} bytes");
            bodies.add_mapped(&case, "json", "application/json", (body, Some(mapping.clone())));
        }
    }
    bodies
}

/// Base fields that hold for every record.
fn records_of_senml(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    for bytes in [500, size / 2] {
        let long = key(bytes, 0);
        let unit = format!(r#"[{{"bn":"a:","n":"m","bu":"{long}","v":1}},"#);
        let name = format!(r#"[{{"bn":"{long}","v":1}},"#);
        for (case, begin, item) in [
            ("a long unit", &unit, (|_| r#"{"v":1}"#.into()) as fn(usize) -> String),
            ("a long name", &name, |n| format!(r#"{{"v":1,"t":{n}}}"#)),
            ("long names", &name, |n| format!(r#"{{"v":1,"n":"{n}"}}"#)),
        ] {
            let body = bodies.filled(begin, ",", "]", item);
            let case = format!("{case} of {bytes} bytes");
            bodies.add(&case, "senml_json", "application/senml+json", body);
        }
    }
    for (case, begin, item) in [
        ("sums", r#"[{"bn":"a","bu":"Cel"},"#, r#"{"v":1,"s":1}"#),
        ("no values", r#"[{"bn":"a"},"#, "1"),
        ("small records", r#"[{"bn":"a"},"#, r#"{"v":1}"#),
    ] {
        let body = bodies.filled(begin, ",", "]", |_| item.into());
        bodies.add(case, "senml_json", "application/senml+json", body);
    }
    bodies
}

/// Points with what is long in the line before many fields.
fn lines_of_points(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    let fields: Vec<_> = (0..1000).map(|n| format!("{n}=1")).collect();
    let fields = fields.join(",");
    let long = size - 8 * 1024;
    let lines = [
        ("small points", bodies.filled("", "\n", "", |_| "m a=1".into())),
        ("many devices", bodies.filled("", "\n", "", |n| format!("m,host={n} a=1"))),
        ("long measurements", bodies.filled("", "\n", "", |n| format!("{} {fields}", key(505, n)))),
        ("a measurement as long as the body", format!("{} {fields}", key(long, 0))),
        ("long devices", bodies.filled("", "\n", "", |n| format!("m,host={} {fields}", key(505, n)))),
        ("a tag as long as the body", format!("m,room={} {fields}", key(long, 0))),
        ("many tags", bodies.filled("", "\n", "", |n| format!("m,host=h,t={n} a=1"))),
        ("tags of one point", bodies.filled("m", "", " a=1", |n| format!(",t{n}=1"))),
        ("no points", bodies.filled("", "\n", "", |_| "m".into())),
        ("strings that do not end", bodies.filled("", "\n", "", |_| r#"m a="\"#.into())),
    ];
    for (case, body) in lines {
        bodies.add(case, "influx_line_protocol", "text/plain", body);
    }
    bodies
}

/// Envelopes with lists in them.
fn envelopes(size: usize) -> Bodies {
    let mut bodies = Bodies::new(size);
    let begin = r#"{"end_device_ids":{"device_id":"d"},"uplink_message":{"normalized_payload":["#;
    let body = bodies.filled(begin, ",", "]}}", |_| r#"{"air":{"temperature":1}}"#.into());
    bodies.add("normalised", "ttn_v3", "application/json", body);
    let body = bodies.filled("[", ",", "]", |_| "{}".into());
    bodies.add("events", "azure_event_grid", "application/json", body);
    for item in ["1", r#"{"specversion":"1.0","id":"1","source":"a","type":"t","data":{"a":1}}"#] {
        let body = bodies.filled("[", ",", "]", |_| item.into());
        bodies.add(&format!("batch of {item}"), "cloudevents", "application/cloudevents-batch+json", body);
    }
    let begin = format!(r#"{{"deviceInfo":{{"devEui":"{}","tags":{{"#, key(500, 0));
    let body = bodies.filled(&begin, ",", "}},\"object\":{\"a\":1}}", |n| format!(r#""{n}":"x""#));
    bodies.add("tags", "chirpstack_v4", "application/json", body);
    let deep: String = (0..9).map(|n| format!(r#"{{"{}":"#, key(size / 24, n))).collect();
    let begin = format!(r#"{{"deviceInfo":{{"devEui":"d"}},"object":{deep}{{"#);
    let body = bodies.filled(&begin, ",", &format!("{}}}}}", "}".repeat(9)), |n| format!(r#""temp_{n}":1"#));
    bodies.add("numbers behind names below long keys", "chirpstack_v4", "application/json", body);
    let body = bodies.filled(r#"{"S":{"#, ",", r#""mac":"A4C1387FC1E1"}}"#, |n| {
        if n % 100 == 0 { format!(r#""k{n}":1"#) } else { format!(r#""k{n}":null"#) }
    });
    bodies.add(
        "sensors",
        "tasmota",
        "application/json",
        body.replace("null\"mac", "null,\"mac").replace("1\"mac", "1,\"mac"),
    );
    let line = |n| format!("{n};1768474860;23.5;3.12;false;1256;16.68;-128.0;48.0;2.0;0CB3;35.23");
    bodies.add("lines", "sigfox", "text/plain", bodies.filled("", "\n", "", line));
    bodies.add("lines of no pattern", "sigfox", "text/plain", bodies.filled("", "\n", "", |_| ";".into()));
    bodies.add(
        "a line of many values",
        "sigfox",
        "text/plain",
        bodies.filled("", ";", "", |n| format!("{n}:1")),
    );
    let callback = |n| format!(r#"{{"device":"{n}","temp":20,"x":"{{x}}"}}"#);
    bodies.add("callbacks", "sigfox", "application/json", bodies.filled("[", ",", "]", callback));
    let event = |n| format!(r#"{{"coreid":"{n}","event":"temperature/attic","data":"{{\"a\":1}}"}}"#);
    bodies.add("events", "particle", "application/json", bodies.filled("[", ",", "]", event));
    let body = bodies.filled("", "&", "", |n| format!("{n}=1"));
    bodies.add("fields", "particle", "application/x-www-form-urlencoded", body);
    let begin = format!(r#"{{"event":"{}","data":["#, "/".repeat(size / 2));
    let body = bodies.filled(&begin, ",", "]}", |_| "1e999".into());
    bodies.add("values of a long name", "particle", "application/json", body);
    let begin = r#"{"resourceMetrics":[{"resource":{"attributes":["#;
    let end = r#"]},"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":1}]}}]}]}]}"#;
    let attribute = |n: usize| format!(r#"{{"key":"{n}","value":{{"intValue":1}}}}"#);
    let body = bodies.filled(begin, ",", end, attribute);
    bodies.add("attributes of a resource", "otlp_metrics", "application/json", body);
    let attributes: Vec<_> = (0..100).map(attribute).collect();
    let begin = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{}]}},"scopeMetrics":[{{"metrics":[{{"name":"{}","gauge":{{"dataPoints":["#,
        attributes.join(","),
        key(500, 0)
    );
    for (case, point) in [
        (
            "points",
            &(|n: usize| format!(r#"{{"asInt":1,"timeUnixNano":{}}}"#, 1_700_000_000 + n))
                as &dyn Fn(usize) -> String,
        ),
        ("points of one moment", &|n| format!(r#"{{"asInt":{n},"attributes":[{}]}}"#, attribute(n))),
        ("points of many devices", &|n| {
            format!(r#"{{"asInt":1,"attributes":[{{"key":"device.id","value":{{"intValue":{n}}}}}]}}"#)
        }),
        ("points that make no sense", &|_| r#"{"asInt":"x"}"#.to_owned()),
    ] {
        let body = bodies.filled(&begin, ",", "]}}]}]}]}", point);
        bodies.add(case, "otlp_metrics", "application/json", body);
    }
    let length = |bytes: usize| {
        let (low, high) = (bytes % 128 + 128, bytes / 128);
        let more = if high < 128 { vec![high] } else { vec![high % 128 + 128, high / 128] };
        std::iter::once(low)
            .chain(more)
            .map(|byte| u8::try_from(byte).expect("below 256"))
            .collect::<Vec<_>>()
    };
    for (case, point) in [("empty points", &b"\n\0"[..]), ("points", b"\n\x09!\0\0\0\0\0\0\0@")] {
        // Three messages, each with its tag and at most three bytes of length, around the points.
        let points = point.repeat((size - 24) / point.len());
        let within = |tag: &[u8], inner: &[u8]| [tag, &length(inner.len()), inner].concat();
        let metric = [b"\n\x01m", &within(b"*", &points)[..]].concat();
        let body = within(b"\n", &within(b"\x12", &within(b"\x12", &metric)));
        bodies.add_bytes(&format!("{case} in binary"), "otlp_metrics", "application/x-protobuf", body);
    }
    let body = bodies.filled("[", ",", "]", |n| {
        format!(r#"{{"src":"{n}","method":"NotifyStatus","params":{{"switch:0":{{"output":true}}}}}}"#)
    });
    bodies.add("frames", "shelly", "application/json", body);
    let deep: String = (0..5).map(|n| format!(r#"{{"{}":"#, key(size / 12, n))).collect();
    let begin = format!(r#"{{"src":"d","method":"NotifyStatus","params":{deep}{{"#);
    let body = bodies.filled(&begin, ",", &format!("{}}}", "}".repeat(6)), |n| format!(r#""a_{n}":1e999"#));
    bodies.add("values below long keys", "shelly", "application/json", body);
    let event = r#"{"component":"input:0","event":"single_push"}"#;
    let begin = r#"{"src":"d","method":"NotifyEvent","params":{"events":["#;
    bodies.add("events", "shelly", "application/json", bodies.filled(begin, ",", "]}}", |_| event.into()));
    let body = bodies.filled("", "&", "", |n| format!("{n}=${{"));
    bodies.add("tokens", "shelly", "application/x-www-form-urlencoded", body);
    let body =
        bodies.filled(r#"{"cmd":"rx","decoded":{"data":{"#, ",", "}}}", |n| format!(r#""temp_{n}":1"#));
    bodies.add("decoded values", "loriot", "application/json", body);
    let data = r#"{"eventType":"DEVICE_DATA","data":{"payload":{"a":1}}}"#;
    let milesight = [
        ("events", "[", "]", &(|_| data.into()) as Text<'_>),
        ("beside the envelope", r#"{"devEUI":"d","#, "}", &|n| format!(r#""temperature_ch{n}":1"#)),
        ("history", r#"{"fPort":1,"object":{"history":["#, "]}}", &|n| format!(r#"{{"ts":{n},"a":1}}"#)),
    ];
    for (case, begin, end, item) in milesight {
        let body = bodies.filled(begin, ",", end, item);
        bodies.add(case, "milesight", "application/json", body);
    }
    let entity = r#"{"subscriptionId":"1","data":[{"id":"d","#;
    let long = key(size / 2, 0);
    let instances = format!(r#"{entity}"{long}":["#);
    let dataset = format!(r#"{entity}"{}":["#, key(500, 0));
    let structure = format!(r#"{entity}"{}":["#, key(510, 0));
    let kind = format!(r#"{{"subscriptionId":"1","data":[{{"id":"d","type":"{long}","#);
    let ngsi = [
        ("attributes", entity, "}]}", &(|n| format!(r#""a{n}":1"#)) as Text<'_>),
        ("attributes of a long type", &kind, "}]}", &|n| format!(r#""a{n}":1"#)),
        ("entities", r#"{"subscriptionId":"1","data":["#, "]}", &|_| r#"{"a":1}"#.into()),
        ("instances of a long attribute", &instances, "]}]}", &|_| r#"{"value":1}"#.into()),
        ("instances of a name as long as may be", &dataset, "]}]}", &|_| r#"{"value":1}"#.into()),
        ("structures", &structure, "]}]}", &|_| r#"{"a":1}"#.into()),
        ("values that are none", &dataset, "]}]}", &|_| "[1]".into()),
        ("no values", r#"{"subscriptionId":"1","data":["#, "]}", &|_| "[1]".into()),
    ];
    for (case, begin, end, item) in ngsi {
        let body = bodies.filled(begin, ",", end, item);
        bodies.add(case, "ngsi", "application/json", body);
    }
    let records = format!(r#"{{"DevEUI":"d","points":{{"{long}":{{"records":["#);
    let thingpark = [
        (
            "points",
            r#"{"DevEUI":"d","points":{"#,
            "}}",
            &(|n| format!(r#""temp_{n}":{{"record":1}}"#)) as Text<'_>,
        ),
        ("records", r#"{"DevEUI":"d","points":{"a":{"records":["#, "]}}}", &|_| "1".into()),
        ("records of a long point", &records, "]}}}", &|_| "1".into()),
        ("reports", "[", "]", &|_| r#"{"DevEUI_uplink":{"points":{"a":{"record":1}}}}"#.into()),
    ];
    for (case, begin, end, item) in thingpark {
        let body = bodies.filled(begin, ",", end, item);
        bodies.add(case, "actility_thingpark", "application/json", body);
    }
    let message = r#"{"topic":"zigbee2mqtt/a","payload":{"voltage":1,"x":1}}"#;
    bodies.add(
        "messages",
        "zigbee2mqtt",
        "application/json",
        bodies.filled("[", ",", "]", |_| message.into()),
    );
    let long = format!(r#"{{"friendlyName":"{}","x":"{}"}}"#, key(500, 0), key(2_000, 0));
    let message = format!(r#"{{"topic":"","payload":{{"device":{long},"power_l1":1}}}}"#);
    bodies.add("tags", "zigbee2mqtt", "application/json", bodies.filled("[", ",", "]", |_| message.clone()));
    let body = bodies.filled("{", ",", "}", |n| format!(r#""{}_l{n}":1"#, "_".repeat(n % 60)));
    bodies.add("underscores", "zigbee2mqtt", "application/json", body);
    let first = format!(
        r#"{{"entity_id":"{}","state":"1","attributes":{{"friendly_name":"{}","unit_of_measurement":"{}"}}}},"#,
        key(500, 0),
        key(2_000, 0),
        key(500, 1)
    );
    let body = bodies.filled(&format!("[[{first}"), ",", "]]", |n| format!(r#"{{"state":"1","time":{n}}}"#));
    bodies.add("a history", "home_assistant", "application/json", body);
    for (case, begin, item, end) in [
        ("states", "[", (|_| r#"{"state":"1"}"#.into()) as fn(usize) -> String, "]"),
        ("no states", "[", |_| "{}".into(), "]"),
        ("lists", "[[", |_| "[]".into(), "]]"),
        ("entities", "{", |n| format!(r#""sensor.a{n}":1"#), "}"),
    ] {
        bodies.add(case, "home_assistant", "application/json", bodies.filled(begin, ",", end, item));
    }
    let body = bodies.filled(r#"{"sensordatavalues":["#, ",", "]}", |n| match n % 2 {
        0 => format!(r#"{{"value_type":"{}_P1","value":1}}"#, key(900, n)),
        _ => "{}".into(),
    });
    bodies.add("long sensors", "sensor_community", "application/json", body);
    for (case, item) in [
        ("messages", r#"{"sensordatavalues":[{"value_type":"P1","value":1}]}"#),
        ("no values", r#"{"sensordatavalues":[]}"#),
        ("versions", r#"{"software_version":"x","sensordatavalues":[1]}"#),
    ] {
        let body = bodies.filled("[", ",", "]", |_| item.into());
        bodies.add(case, "sensor_community", "application/json", body);
    }
    for (case, begin, item, end) in [
        (
            "sensors",
            "{",
            (|n| format!(r#""{n:024x}":["1","2026-01-15T12:00:00Z"]"#)) as fn(usize) -> String,
            "}",
        ),
        ("measurements", "[", |_| r#"{"sensor":"a","value":1}"#.into(), "]"),
        ("no measurements", "[", |_| "{}".into(), "]"),
        ("airrohr", r#"{"sensordatavalues":["#, |_| r#"{"value_type":"SDS_P1","value":1}"#.into(), "]}"),
        ("hackair", r#"{"reading":{"a":1},"#, |n| format!(r#""a{n}":1"#), "}"),
    ] {
        bodies.add(case, "opensensemap", "application/json", bodies.filled(begin, ",", end, item));
    }
    for (case, item) in [
        (
            "samples",
            r#"{"serialNumber":"a","recorded":"2026-01-15T12:00:00","temp":1,"sensorUnits":{"temp":"c"}}"#,
        ),
        ("no samples", "{}"),
    ] {
        bodies.add(
            case,
            "airthings",
            "application/json",
            bodies.filled(r#"{"data":["#, ",", "]}", |_| item.into()),
        );
    }
    for (case, line) in
        [("measurements in lines", "a,1,2026-01-15T12:00:00Z"), ("no measurements in lines", "a")]
    {
        bodies.add(case, "opensensemap", "text/csv", bodies.filled("", "\n", "", |_| line.into()));
    }
    let body = bodies.filled("tempf=1&", "&", "", |n| format!("{n}=1"));
    bodies.add("form", "ecowitt", "application/x-www-form-urlencoded", body);
    let body = bodies.filled("", "\n", "", |_| r#"{"a":1}"#.into());
    bodies.add("lines", "json", "application/x-ndjson", body);
    let line = |of: &str| {
        format!(r#"{{"metric":"m","observed_at":"2026-01-15T12:00:00Z","kind":"flag","value":1,{of}}}"#)
    };
    for (case, line) in [
        ("many devices", &(|n| line(&format!(r#""device":"{n}""#))) as &dyn Fn(usize) -> String),
        ("many units of one moment", &|n| line(&format!(r#""unit":"{n}""#))),
        ("lines that make no sense", &|_| "{}".into()),
        ("no lines", &|_| "1".into()),
        ("long devices", &|n| line(&format!(r#""device":"{}""#, key(500, n)))),
    ] {
        let body = bodies.filled("[{},", ",", "]", line);
        bodies.add(case, "freshet_readings", "application/json", body);
    }
    bodies
}
