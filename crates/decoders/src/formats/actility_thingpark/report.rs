//! A report of the network server: its kind, its device, its id, its time.

use crate::formats::lorawan;
use crate::json::Node;

/// Why a JSON value is no report of ThingPark.
pub(super) const NOT_ONE: &str = "expected a report of ThingPark with DevEUI_uplink or DevEUI, found none";

/// How the names of reports begin: `DevEUI_uplink`, `DevEUI_location`, `DevEUI_notification`, `DevEUI_downlink_Sent`.
const PREFIX: &str = "DevEUI_";

/// What a report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A frame of the device.
    Uplink,
    /// A position that the network worked out, a join, the fate of a downlink, or what a later version adds.
    Other,
}

/// A report.
pub(super) struct Report {
    pub(super) kind: Kind,
    /// What stands before its fields in the body.
    pub(super) place: String,
    fields: Node,
}

impl Report {
    /// The report in a JSON value that stands at `place`: below its name, or flat as connectors of IoT Flow may send it.
    pub(super) fn of(item: Node, place: String) -> Option<Self> {
        let Node::Object(mut members) = item else { return None };
        let is_report = |key: &str, node: &Node| key.starts_with(PREFIX) && node.as_object().is_some();
        let named = members.iter().position(|(key, member)| is_report(key, &member.node));
        if let Some((name, member)) = named.and_then(|at| members.swap_remove_index(at)) {
            let kind = if name == "DevEUI_uplink" { Kind::Uplink } else { Kind::Other };
            return Some(Self { kind, place: format!("{place}{name}."), fields: member.node });
        }
        if !members.contains_key("DevEUI") {
            return None;
        }
        let is_uplink =
            ["FCntUp", "payload_hex", "payload", "points"].iter().any(|key| members.contains_key(*key));
        let kind = if is_uplink { Kind::Uplink } else { Kind::Other };
        Some(Self { kind, place, fields: Node::Object(members) })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.fields.get(key)
    }

    /// The DevEUI in lower case; `None` where there is none.
    pub(super) fn device(&self) -> Result<Option<String>, &'static str> {
        let eui = self.get("DevEUI").and_then(Node::as_name).filter(|eui| !eui.trim().is_empty());
        eui.map(lorawan::device).transpose()
    }

    /// Device, address and frame counter: the address changes when the device joins anew, and the counter begins at 0.
    pub(super) fn id(&self) -> Option<String> {
        if self.kind != Kind::Uplink {
            return None;
        }
        let field = |key: &str| self.get(key).and_then(Node::as_name);
        let address = field("DevAddr").unwrap_or_default();
        Some(format!("{}/{address}/{}", self.device().ok()??, field("FCntUp")?))
    }

    /// See [`lorawan::fingerprint`]: another cluster may report the frame again, as late and with other gateways.
    pub(super) fn fingerprint(&self) -> Option<[u8; 8]> {
        lorawan::fingerprint(["Time", "payload_hex", "payload", "points"].map(|key| self.get(key)))
    }

    /// When the gateway received the frame.
    pub(super) fn time(&self) -> Option<&Node> {
        self.get("Time")
    }

    /// What the driver of IoT Flow decoded. A text is the frame's own bytes.
    pub(super) fn payload(&self) -> Option<&Node> {
        self.get("payload").filter(|payload| payload.as_str().is_none())
    }

    /// What ThingPark calls the device's model: the driver's product, and its producer with it.
    pub(super) fn models(&self) -> Vec<String> {
        let of = |key: &str| self.fields.at(&["DriverCfg", "mod", key]).and_then(Node::as_name);
        let Some(model) = of("mId") else { return Vec::new() };
        let of_producer = of("pId").map(|producer| format!("{producer}/{model}"));
        [Some(model.to_owned()), of_producer].into_iter().flatten().collect()
    }

    /// Whether the driver passes on the frame's bytes beside what it decoded (Abeeway's trackers).
    pub(super) fn repeats_bytes(&self) -> bool {
        let bytes = self.get("payload_hex").and_then(Node::as_str);
        let passed_on = self.payload().and_then(|payload| payload.get("payload")).and_then(Node::as_str);
        bytes.zip(passed_on).is_some_and(|(bytes, passed_on)| bytes.eq_ignore_ascii_case(passed_on))
    }
}
