//! The integration's binary encoding, turned into what its JSON encoding would have been.
//!
//! Field numbers are those of ChirpStack's `api/proto/integration/integration.proto` and `gw/gw.proto`, and of Google's
//! `google/protobuf/struct.proto` and `timestamp.proto`. Fields that no reading needs are passed over.

use std::collections::BTreeMap;

use event_model::RecordedRequest;
use jiff::Timestamp;
use prost::{Message, encoding};

use crate::decode::FormError;
use crate::form;
use crate::json::{Member, Node, Number, Object};

/// The content type that ChirpStack sends, and the ones that proxies make of it.
pub(super) const CONTENT_TYPES: [&str; 3] =
    ["application/octet-stream", "application/x-protobuf", "application/protobuf"];

/// Up, join, ack, status, location and integration events begin alike; the rest is of `up` and `status`.
#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = "1")]
    deduplication_id: String,
    #[prost(message, optional, tag = "2")]
    time: Option<Time>,
    #[prost(message, optional, tag = "3")]
    device_info: Option<DeviceInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Uplink {
    #[prost(uint32, tag = "8")]
    f_port: u32,
    #[prost(message, optional, tag = "11")]
    object: Option<Struct>,
    #[prost(message, repeated, tag = "12")]
    rx_info: Vec<RxInfo>,
}

/// `UplinkRxInfo` of `gw/gw.proto`.
#[derive(Clone, PartialEq, Message)]
struct RxInfo {
    #[prost(message, optional, tag = "17")]
    ns_time: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "5")]
    margin: i32,
    #[prost(bool, tag = "6")]
    external_power_source: bool,
    #[prost(bool, tag = "7")]
    battery_level_unavailable: bool,
    #[prost(float, tag = "8")]
    battery_level: f32,
}

/// `txack` has a number where the others have the deduplication id.
#[derive(Clone, PartialEq, Message)]
struct TxAck {
    #[prost(message, optional, tag = "2")]
    time: Option<Time>,
    #[prost(message, optional, tag = "3")]
    device_info: Option<DeviceInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Log {
    #[prost(message, optional, tag = "1")]
    time: Option<Time>,
    #[prost(message, optional, tag = "2")]
    device_info: Option<DeviceInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct DeviceInfo {
    #[prost(string, tag = "8")]
    dev_eui: String,
    #[prost(btree_map = "string, string", tag = "9")]
    tags: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Flag(bool),
    #[prost(message, tag = "5")]
    Struct(Struct),
    #[prost(message, tag = "6")]
    List(List),
}

/// Takes the Join Server's context out of an event, in which a device's session key is where the application decrypts its
/// payloads itself. A body that is no message is left to [`read`], which refuses it.
pub(super) fn take_out_key(request: &mut RecordedRequest) {
    let join_server_context = match form::query_value(request, "event").as_deref() {
        Some("up") => 15,
        Some("join") => 6,
        _ => return,
    };
    if let Ok(clean) = without(join_server_context, &request.body)
        && clean.len() < request.body.len()
    {
        request.body = clean.into();
    }
}

/// A message without the fields of this number.
fn without(number: u32, message: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    let mut rest = message;
    let mut kept = Vec::with_capacity(message.len());
    while !rest.is_empty() {
        let before = rest;
        let (tag, wire_type) = encoding::decode_key(&mut rest)?;
        encoding::skip_field(wire_type, tag, &mut rest, encoding::DecodeContext::default())?;
        if tag != number {
            kept.extend_from_slice(&before[..before.len() - rest.len()]);
        }
    }
    Ok(kept)
}

/// Reads the event that the query names.
pub(super) fn read(request: &RecordedRequest) -> Result<Node, FormError> {
    let malformed = |reason: String| FormError::Malformed(format!("not a Protocol Buffers event: {reason}"));
    let kind = form::query_value(request, "event")
        .ok_or_else(|| malformed("the query names no event".to_owned()))?;
    let body = request.body.as_ref();
    let fields = match kind.as_str() {
        "log" => Log::decode(body).map(|log| envelope(None, log.time, log.device_info)),
        "txack" => TxAck::decode(body).map(|ack| envelope(None, ack.time, ack.device_info)),
        "up" => Uplink::decode(body).and_then(|uplink| Ok(of_uplink(uplink, event(body)?))),
        "status" => Status::decode(body).and_then(|status| Ok(of_status(&status, event(body)?))),
        _ => event(body),
    };
    fields.map(|fields| Node::Object(Box::new(fields))).map_err(|error| malformed(error.to_string()))
}

fn event(body: &[u8]) -> Result<Object, prost::DecodeError> {
    let event = Event::decode(body)?;
    Ok(envelope(Some(event.deduplication_id), event.time, event.device_info))
}

fn envelope(id: Option<String>, time: Option<Time>, device: Option<DeviceInfo>) -> Object {
    let mut fields = Object::default();
    if let Some(id) = id.filter(|id| !id.is_empty()) {
        put(&mut fields, "deduplicationId", Node::Text(id.into()));
    }
    if let Some(time) = time {
        put(&mut fields, "time", of_time(&time));
    }
    if let Some(device) = device {
        let mut info = Object::default();
        let tags = device
            .tags
            .into_iter()
            .map(|(key, value)| (key.into(), member(Node::Text(value.into()))))
            .collect();
        put(&mut info, "devEui", Node::Text(device.dev_eui.into()));
        put(&mut info, "tags", Node::Object(Box::new(tags)));
        put(&mut fields, "deviceInfo", Node::Object(Box::new(info)));
    }
    fields
}

/// A time that no timestamp holds stays a text that is no time, and is flagged as such.
fn of_time(time: &Time) -> Node {
    let at = Timestamp::new(time.seconds, time.nanos);
    Node::Text(at.map_or_else(|_| "out of range".into(), |at| at.to_string().into()))
}

fn of_uplink(uplink: Uplink, mut fields: Object) -> Object {
    let first_time = uplink.rx_info.iter().find_map(|gateway| gateway.ns_time.as_ref());
    if let Some(time) = first_time {
        let mut gateway = Object::default();
        put(&mut gateway, "nsTime", of_time(time));
        put(&mut fields, "rxInfo", Node::List(vec![Node::Object(Box::new(gateway))]));
    }
    put(&mut fields, "fPort", number(uplink.f_port.into()));
    if let Some(object) = uplink.object {
        put(&mut fields, "object", of_struct(object));
    }
    fields
}

fn of_status(status: &Status, mut fields: Object) -> Object {
    put(&mut fields, "margin", number(status.margin.into()));
    put(&mut fields, "externalPowerSource", Node::Flag(status.external_power_source));
    put(&mut fields, "batteryLevelUnavailable", Node::Flag(status.battery_level_unavailable));
    // 88.3 as a float is 88.30000305 as a double: its shortest spelling is what was meant.
    put(&mut fields, "batteryLevel", number(status.battery_level.to_string().parse().unwrap_or(f64::NAN)));
    fields
}

fn of_struct(object: Struct) -> Node {
    let fields = object.fields.into_iter().map(|(key, value)| (key.into(), member(of_value(value))));
    Node::Object(Box::new(fields.collect()))
}

/// The depth is bounded: prost decodes no message that nests deeper than 100 levels.
fn of_value(value: Value) -> Node {
    match value.kind {
        None | Some(Kind::Null(_)) => Node::Null,
        Some(Kind::Number(value)) => number(value),
        Some(Kind::Text(text)) => Node::Text(text.into()),
        Some(Kind::Flag(flag)) => Node::Flag(flag),
        Some(Kind::Struct(object)) => of_struct(object),
        Some(Kind::List(list)) => Node::List(list.values.into_iter().map(of_value).collect()),
    }
}

/// JSON has no spelling for what is not finite; it is no value there either.
fn number(value: f64) -> Node {
    if value.is_finite() { Node::Number(Number::new(&value.to_string())) } else { Node::Null }
}

fn put(fields: &mut Object, key: &str, node: Node) {
    fields.insert(key.into(), member(node));
}

const fn member(node: Node) -> Member {
    Member { node, repeated: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(event: &str, body: Vec<u8>) -> RecordedRequest {
        RecordedRequest { query: format!("event={event}"), body: body.into(), ..RecordedRequest::default() }
    }

    fn event_bytes() -> Vec<u8> {
        let device = DeviceInfo { dev_eui: "70b3d57ed0000001".into(), tags: BTreeMap::new() };
        let time = Time { seconds: 1_768_474_800, nanos: 5_000 };
        Event { deduplication_id: "m-1".into(), time: Some(time), device_info: Some(device) }.encode_to_vec()
    }

    #[test]
    fn an_uplink_is_what_its_json_would_be() {
        let list = List { values: vec![Value { kind: Some(Kind::Number(1.5)) }] };
        let fields = [
            ("temperature".to_owned(), Value { kind: Some(Kind::Number(21.5)) }),
            ("values".to_owned(), Value { kind: Some(Kind::List(list)) }),
        ];
        let uplink =
            Uplink { f_port: 2, object: Some(Struct { fields: fields.into() }), ..Uplink::default() };
        let body = [event_bytes(), uplink.encode_to_vec()].concat();
        let json = br#"{"deduplicationId":"m-1","time":"2026-01-15T11:00:00.000005Z",
            "deviceInfo":{"devEui":"70b3d57ed0000001","tags":{}},"fPort":2,"object":{"temperature":21.5,"values":[1.5]}}"#;
        assert_eq!(read(&request("up", body)), Ok(Node::parse(json).unwrap()));
    }

    #[test]
    fn a_float_keeps_its_digits() {
        let status = Status { margin: -3, battery_level: 88.3, ..Status::default() };
        let node = read(&request("status", [event_bytes(), status.encode_to_vec()].concat())).unwrap();
        assert_eq!(node.get("batteryLevel").and_then(Node::as_name), Some("88.3"));
        assert_eq!(node.get("margin").and_then(Node::as_name), Some("-3"));
    }

    #[test]
    fn a_session_key_is_taken_out() {
        #[derive(Clone, PartialEq, Message)]
        struct Keys {
            #[prost(string, tag = "6")]
            of_a_join: String,
            #[prost(string, tag = "15")]
            of_an_uplink: String,
        }
        let keys = |of_a_join: &str, of_an_uplink: &str| {
            let keys = Keys { of_a_join: of_a_join.into(), of_an_uplink: of_an_uplink.into() };
            [event_bytes(), keys.encode_to_vec()].concat()
        };
        let other = "secret";
        for (event, body) in [("up", keys("", "secret")), ("join", keys("secret", ""))] {
            let mut clean = request(event, body);
            take_out_key(&mut clean);
            assert_eq!(clean.body, event_bytes(), "{event}");
            assert!(read(&clean).is_ok());
        }
        // Of another event, the number is another field's; what is no message stays as it is.
        for (event, body) in [("status", keys(other, other)), ("up", b"\x7a\xff".to_vec())] {
            let mut same = request(event, body.clone());
            take_out_key(&mut same);
            assert_eq!(same.body, body, "{event}");
        }
    }

    #[test]
    fn the_network_servers_time_is_that_of_the_first_gateway_with_one() {
        let time = Time { seconds: 1_768_474_800, nanos: 0 };
        let rx_info = vec![RxInfo { ns_time: None }, RxInfo { ns_time: Some(time) }];
        let uplink = Uplink { rx_info, ..Uplink::default() };
        let node = read(&request("up", [event_bytes(), uplink.encode_to_vec()].concat())).unwrap();
        let gateways = node.get("rxInfo").and_then(Node::as_list).unwrap();
        assert_eq!(gateways[0].get("nsTime").and_then(Node::as_str), Some("2026-01-15T11:00:00Z"));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(matches!(read(&request("up", b"{\"a\":1}".to_vec())), Err(FormError::Malformed(_))));
        assert!(matches!(read(&RecordedRequest::default()), Err(FormError::Malformed(_))));
    }
}
