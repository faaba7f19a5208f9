//! The envelope of an event: its kind, its device, its time.

use event_model::{Name, RecordedRequest};

use super::{eui_or_name, legacy};
use crate::form;
use crate::json::Node;
use crate::time::{Clock, Moment};

/// Why a JSON object is no event of ChirpStack.
pub(super) const NOT_ONE: &str = "expected an event of ChirpStack with deviceInfo, found none";

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A frame of the device.
    Up,
    /// A frame in the shape of version 3.
    LegacyUp,
    /// The device's answer to a status request.
    Status,
    /// `join`, `ack`, `txack`, `log`, `location`, `integration`, or what a later version adds.
    Other,
}

/// An event.
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) body: Node,
}

impl Event {
    /// The event in a body. Its kind is in the query (`?event=up`); where a proxy took that away, the fields tell.
    pub(super) fn of(request: &RecordedRequest, body: Node) -> Option<Self> {
        let is_object = |field: &str| body.get(field).is_some_and(|node| node.as_object().is_some());
        if !is_object("deviceInfo") {
            let kind = legacy::is_one(&body).then(|| legacy::kind(request, &body))?;
            return Some(Self { kind, body });
        }
        let has = |fields: &[&str]| fields.iter().any(|field| body.get(field).is_some());
        let kind = match form::query_value(request, "event").as_deref() {
            Some("up") => Kind::Up,
            Some("status") => Kind::Status,
            None if has(&["margin", "batteryLevel"]) => Kind::Status,
            // Of the other events none has a frame's port or what received it, and `integration` alone an object.
            None if has(&["fPort", "rxInfo"]) => Kind::Up,
            None if has(&["object"]) && !has(&["integrationName"]) => Kind::Up,
            _ => Kind::Other,
        };
        Some(Self { kind, body })
    }

    /// The DevEUI in lower case; `None` where there is none.
    pub(super) fn device(&self) -> Result<Option<String>, &'static str> {
        match self.body.at(&["deviceInfo", "devEui"]).and_then(Node::as_str) {
            Some(eui) if !eui.trim().is_empty() => eui_or_name(eui).map(Some),
            _ => legacy::device(&self.body),
        }
    }

    /// When a gateway received the frame, where it has a clock that can be right; else when the network server did.
    ///
    /// `time` is the gateway's `gwTime` where there is one (`helpers::get_rx_timestamp`).
    pub(super) fn moment(&self, clock: &Clock) -> Moment {
        let gateways = self.body.get("rxInfo").and_then(Node::as_list).unwrap_or_default();
        let first = |key: &str| gateways.iter().find_map(|gateway| gateway.get(key));
        match self.kind {
            Kind::LegacyUp => clock.of_frame(first("time"), self.body.get("publishedAt")),
            _ => clock
                .of_frame(self.body.get("time"), first("nsTime").or_else(|| self.body.get("publishedAt"))),
        }
    }

    /// What ChirpStack calls the device's model: its device profile.
    pub(super) fn models(&self) -> Vec<String> {
        let name =
            self.body.at(&["deviceInfo", "deviceProfileName"]).or_else(|| self.body.get("deviceProfileName"));
        name.and_then(Node::as_str).map(str::to_owned).into_iter().collect()
    }

    /// The tags that the device has in ChirpStack.
    pub(super) fn tags(&self, device: &Name) -> Vec<(Name, String, String)> {
        let tags = self.body.at(&["deviceInfo", "tags"]).or_else(|| self.body.get("tags"));
        let tags = tags.and_then(Node::as_object).into_iter().flatten();
        tags.filter_map(|(key, member)| {
            Some((device.clone(), key.to_string(), member.node.as_name()?.to_owned()))
        })
        .filter(|(_, key, value)| !key.contains('\0') && !value.contains('\0'))
        .collect()
    }
}
