//! The integration's binary encoding, turned into what its JSON encoding would have been.
//!
//! Field numbers are those of ChirpStack's `api/proto/integration/integration.proto` and of Google's
//! `google/protobuf/struct.proto` and `timestamp.proto`. Fields that no reading needs are passed over.

use std::collections::BTreeMap;

use event_model::RecordedRequest;
use jiff::Timestamp;
use prost::Message;

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
    fields.map(Node::Object).map_err(|error| malformed(error.to_string()))
}

fn event(body: &[u8]) -> Result<Object, prost::DecodeError> {
    let event = Event::decode(body)?;
    Ok(envelope(Some(event.deduplication_id), event.time, event.device_info))
}

fn envelope(id: Option<String>, time: Option<Time>, device: Option<DeviceInfo>) -> Object {
    let mut fields = Object::new();
    if let Some(id) = id.filter(|id| !id.is_empty()) {
        put(&mut fields, "deduplicationId", Node::Text(id));
    }
    if let Some(time) = time {
        // A time that no timestamp holds stays a text that is no time, and is flagged as such.
        let text = Timestamp::new(time.seconds, time.nanos)
            .map_or_else(|_| "out of range".to_owned(), |at| at.to_string());
        put(&mut fields, "time", Node::Text(text));
    }
    if let Some(device) = device {
        let mut info = Object::new();
        let tags = device.tags.into_iter().map(|(key, value)| (key, member(Node::Text(value)))).collect();
        put(&mut info, "devEui", Node::Text(device.dev_eui));
        put(&mut info, "tags", Node::Object(tags));
        put(&mut fields, "deviceInfo", Node::Object(info));
    }
    fields
}

fn of_uplink(uplink: Uplink, mut fields: Object) -> Object {
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
    Node::Object(object.fields.into_iter().map(|(key, value)| (key, member(of_value(value)))).collect())
}

/// The depth is bounded: prost decodes no message that nests deeper than 100 levels.
fn of_value(value: Value) -> Node {
    match value.kind {
        None | Some(Kind::Null(_)) => Node::Null,
        Some(Kind::Number(value)) => number(value),
        Some(Kind::Text(text)) => Node::Text(text),
        Some(Kind::Flag(flag)) => Node::Flag(flag),
        Some(Kind::Struct(object)) => of_struct(object),
        Some(Kind::List(list)) => Node::List(list.values.into_iter().map(of_value).collect()),
    }
}

/// JSON has no spelling for what is not finite; it is no value there either.
fn number(value: f64) -> Node {
    if value.is_finite() { Node::Number(Number { text: value.to_string(), value }) } else { Node::Null }
}

fn put(fields: &mut Object, key: &str, node: Node) {
    fields.insert(key.to_owned(), member(node));
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
        let uplink = Uplink { f_port: 2, object: Some(Struct { fields: fields.into() }) };
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
    fn what_is_no_message_is_refused() {
        assert!(matches!(read(&request("up", b"{\"a\":1}".to_vec())), Err(FormError::Malformed(_))));
        assert!(matches!(read(&RecordedRequest::default()), Err(FormError::Malformed(_))));
    }
}
