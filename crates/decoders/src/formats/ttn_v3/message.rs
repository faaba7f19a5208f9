//! The envelope of The Things Stack: an `ApplicationUp`, its device, its id, its times.

use crate::device;
use crate::formats::lorawan;
use crate::json::Node;
use crate::time::{Clock, Moment};

/// Why a JSON object is no message of The Things Stack.
pub(super) const NOT_ONE: &str = "expected a message of The Things Stack with end_device_ids, found none";

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `uplink_message`: a frame of the device.
    Uplink,
    /// `uplink_normalized`: one measurement of the frame before, in the normalised schema.
    Normalized,
    /// `join_accept`.
    Join,
    /// Downlink events, `location_solved`, `service_data`, or what a later version adds.
    Other,
}

impl Kind {
    /// What `node` tells, if it is an `ApplicationUp`.
    fn of(node: &Node) -> Option<Self> {
        let has = |field: &str| node.get(field).is_some_and(|node| node.as_object().is_some());
        let kinds = [
            ("uplink_message", Self::Uplink),
            ("uplink_normalized", Self::Normalized),
            ("join_accept", Self::Join),
        ];
        let kind = kinds.into_iter().find(|(field, _)| has(field)).map(|(_, kind)| kind);
        if has("end_device_ids") { kind.or(Some(Self::Other)) } else { kind }
    }
}

/// An `ApplicationUp`.
pub(super) struct Message {
    pub(super) kind: Kind,
    /// The message itself, without the envelopes that a console or the storage integration put around it.
    pub(super) node: Node,
    /// What stands before its fields in the body: `data.`, `result.`, or nothing.
    pub(super) place: &'static str,
}

impl Message {
    /// The message in a body; `None` where there is none.
    pub(super) fn of(mut body: Node) -> Option<Self> {
        if let Some(kind) = Kind::of(&body) {
            return Some(Self { kind, node: body, place: "" });
        }
        let Node::Object(envelope) = &mut body else { return None };
        [("data", "data."), ("result", "result.")].into_iter().find_map(|(key, place)| {
            let kind = Kind::of(&envelope.get(key)?.node)?;
            Some(Self { kind, node: envelope.swap_remove(key)?.node, place })
        })
    }

    /// The DevEUI, else `application/device`; `None` where a field mask has taken both out.
    pub(super) fn device(&self) -> Result<Option<String>, &'static str> {
        let Some(ids) = self.node.get("end_device_ids") else { return Ok(None) };
        let text = |keys: &[&str]| ids.at(keys).and_then(Node::as_str).filter(|text| !text.trim().is_empty());
        if let Some(eui) = text(&["dev_eui"]).and_then(lorawan::dev_eui) {
            return Ok(Some(eui));
        }
        let Some(device) = text(&["device_id"]) else { return Ok(None) };
        match text(&["application_ids", "application_id"]) {
            Some(application) => device::normalise(&format!("{application}/{device}")).map(Some),
            None => device::normalise(device).map(Some),
        }
    }

    /// The id that the gateway server gave the frame, else device, session and counter.
    ///
    /// A downlink event carries the id of the uplink that it answers, so that only uplinks and joins have one.
    pub(super) fn id(&self) -> Option<String> {
        if self.kind == Kind::Other {
            return None;
        }
        let ids = self.node.get("correlation_ids").and_then(Node::as_list).unwrap_or_default();
        let frame = ids.iter().filter_map(Node::as_str).find(|id| id.starts_with("gs:uplink:"));
        frame.map(str::to_owned).or_else(|| {
            let uplink = self.node.get("uplink_message")?;
            let session = uplink.get("session_key_id").and_then(Node::as_str)?;
            // proto3's JSON leaves out a counter of 0.
            let counter = uplink.get("f_cnt").map_or(Some("0"), Node::as_name)?;
            Some(format!("{}/{session}/{counter}", self.device().ok()??))
        })
    }

    /// The gateway's time of the frame, where it can be right; else the network server's, else the application server's,
    /// else ours.
    pub(super) fn moment(&self, inner: &Node, clock: &Clock) -> Moment {
        let server = inner.get("received_at").or_else(|| self.node.get("received_at"));
        clock.of_frame(inner.at(&["settings", "time"]), server)
    }

    /// What the Device Repository calls the device that sent `uplink`: its model, and its maker with it (`dragino/lht65`).
    pub(super) fn models(&self, uplink: &Node) -> Vec<String> {
        let versions = uplink.get("version_ids").or_else(|| self.node.get("version_ids"));
        let id = |key: &str| versions.and_then(|versions| versions.get(key)).and_then(Node::as_str);
        let Some(model) = id("model_id") else { return Vec::new() };
        let of_brand = id("brand_id").map(|brand| format!("{brand}/{model}"));
        [Some(model.to_owned()), of_brand].into_iter().flatten().collect()
    }

    /// `simulated`: sent by a person from the console, not by the device.
    pub(super) fn is_simulated(&self) -> bool {
        self.node.get("simulated") == Some(&Node::Flag(true))
    }
}
