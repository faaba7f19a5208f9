//! A message of the application output: its kind, its device, its id, its time, what a codec decoded.

use super::Object;
use crate::formats::lorawan::{self, Payload, Raw};
use crate::json::Node;
use crate::names::cut;
use crate::time::{Clock, Moment};

/// Why a JSON object is no message of LORIOT.
pub(super) const NOT_ONE: &str = "expected a message of LORIOT with cmd, found none";

/// The longest text of a codec's error that is repeated, in bytes.
const MAX_ERROR: usize = 200;

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A frame of the device: `rx` at once, `gw` with all gateways that heard it some seconds later.
    Uplink,
    /// Downlinks (`txd`), positions that the network worked out, or what a later version adds.
    Other,
}

/// A message.
pub(super) struct Message {
    pub(super) kind: Kind,
    body: Node,
}

impl Message {
    /// The message in a body; `None` where there is none.
    pub(super) fn of(body: Node) -> Option<Self> {
        let kind = match body.get("cmd").and_then(Node::as_str)? {
            "rx" | "gw" => Kind::Uplink,
            _ => Kind::Other,
        };
        Some(Self { kind, body })
    }

    /// The DevEUI in lower case; `None` where there is none.
    pub(super) fn device(&self) -> Result<Option<String>, &'static str> {
        let eui = self.body.get("EUI").and_then(Node::as_name).filter(|eui| !eui.trim().is_empty());
        eui.map(lorawan::device).transpose()
    }

    /// Device, frame counter and port.
    pub(super) fn id(&self) -> Option<String> {
        if self.kind != Kind::Uplink {
            return None;
        }
        let field = |key: &str| self.body.get(key).and_then(Node::as_name);
        let port = field("port").unwrap_or_default();
        Some(format!("{}/{}/{port}", self.device().ok()??, field("fcnt")?))
    }

    /// What tells a frame from one that had the same counter before the device was restarted, and that `rx` and `gw` have
    /// alike: the payload, and the number that the network server gave the frame, else its time.
    pub(super) fn fingerprint(&self) -> Option<[u8; 8]> {
        let number = self.body.get("seqno").or_else(|| self.body.get("ts"));
        let member = |key: &str| self.body.get(key);
        lorawan::fingerprint([number, member("data"), member("decoded"), member("object")])
    }

    /// `ts`, the network server's, else the first gateway's.
    pub(super) fn moment(&self, clock: &Clock) -> Moment {
        let first = self.body.get("gws").and_then(Node::as_list).and_then(<[_]>::first);
        let of_gateway = || first.and_then(|gateway| gateway.get("ts").or_else(|| gateway.get("time")));
        clock.of_node(self.body.get("ts").or_else(of_gateway))
    }

    /// The frame as the device sent it.
    pub(super) fn raw(&self, is_decoded: bool) -> Raw<'_> {
        let (payload, port) = (Payload::Hex(self.body.get("data")), self.body.get("port"));
        Raw { payload, port, models: &[], is_decoded, place: "data" }
    }

    /// `decoded.data`, in which a codec's answer stands beside its `errors` and `warnings`; else `decoded` or `object` itself.
    pub(super) fn decoded(&self) -> Object<'_> {
        let Some(decoded) = self.body.get("decoded") else {
            return self.body.get("object").map_or(Object::None, |object| Object::At("object", object));
        };
        if let Some(data) = decoded.get("data").filter(|data| data.as_object().is_some()) {
            return Object::At("decoded.data", data);
        }
        if let Some(reason) = failure(decoded) {
            return Object::Failed(reason);
        }
        let is_answer = ["data", "errors", "warnings", "success"].iter().any(|key| has(decoded, key));
        if is_answer { Object::None } else { Object::At("decoded", decoded) }
    }
}

fn has(node: &Node, key: &str) -> bool {
    node.as_object().is_some_and(|members| members.contains_key(key))
}

/// The first error of a codec.
fn failure(decoded: &Node) -> Option<String> {
    let first = match decoded.get("errors")? {
        Node::List(errors) => errors.first()?.as_name()?,
        other => other.as_name()?,
    };
    Some(format!("the codec failed: {}", cut(first, MAX_ERROR)))
}
