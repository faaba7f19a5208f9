//! One object that a device sent, whatever it is: a notification, the answer to a request, a status, a user's own fields.

use super::fields;
use crate::decode::Problem;
use crate::json::{Node, Object};
use crate::time::{Clock, Moment};

/// What one object holds, and what is said about it.
pub(super) struct Report<'b> {
    /// The device, as it is written.
    pub(super) device: Option<&'b str>,
    /// When it was so; of an event, where it says nothing itself.
    pub(super) time: Option<&'b Node>,
    /// The component that all of it is about (`switch:0`); else none.
    pub(super) component: &'b str,
    pub(super) content: Content<'b>,
    /// Device, time and values lie side by side.
    pub(super) is_flat: bool,
    /// What stands before the content's fields.
    pub(super) place: String,
}

/// What an object is about.
#[derive(Clone, Copy)]
pub(super) enum Content<'b> {
    /// Values by component.
    Status(&'b Object),
    /// What happened.
    Events(&'b [Node]),
    /// Neither: a request, an answer without a result.
    Nothing,
}

impl<'b> Report<'b> {
    /// Reads `item` at `place`.
    pub(super) fn of(item: &'b Node, topic: &'b Topic, place: String) -> Result<Self, Problem> {
        let refused = |place: &str, expected: &str, node: &Node| {
            Problem::new(place.trim_end_matches('.'), format!("expected {expected}, found {}", node.kind()))
        };
        let Some(object) = item.as_object() else { return Err(refused(&place, "an object", item)) };
        let nothing = Self {
            device: None,
            time: None,
            component: &topic.component,
            content: Content::Nothing,
            is_flat: false,
            place,
        };
        if let Some(method) = item.get("method").and_then(Node::as_str) {
            let device = item.get("src").and_then(Node::as_name).or(topic.device.as_deref());
            let place = format!("{}params.", nothing.place);
            let Some(params) = item.get("params") else { return Ok(Self { device, ..nothing }) };
            let (time, nothing) = (params.get("ts"), Self { place, device, ..nothing });
            let content = match (method, params) {
                ("NotifyStatus" | "NotifyFullStatus", Node::Object(status)) => Content::Status(status),
                ("NotifyEvent", _) => match params.get("events") {
                    Some(Node::List(events)) => Content::Events(events),
                    None => Content::Nothing,
                    Some(other) => {
                        return Err(refused(&format!("{}events", nothing.place), "an array", other));
                    }
                },
                ("NotifyStatus" | "NotifyFullStatus", other) => {
                    return Err(refused(&nothing.place, "an object", other));
                }
                _ => Content::Nothing,
            };
            return Ok(Self { time, content, component: "", ..nothing });
        }
        if let Some(Node::Object(status)) = item.get("result") {
            let device = item.get("src").and_then(Node::as_name).or_else(|| address(status));
            let (content, time) = (Content::Status(status), time_of(status));
            return Ok(Self { device, time, content, place: format!("{}result.", nothing.place), ..nothing });
        }
        let device = device_of(object).or_else(|| address(object)).or(topic.device.as_deref());
        let own = ["component", "channel"].iter().find_map(|key| object.get(*key)?.node.as_str());
        let component = own.unwrap_or(nothing.component);
        let content = Content::Status(object);
        Ok(Self { device, time: time_of(object), component, content, is_flat: true, ..nothing })
    }

    /// The report, of the device that the address names where it names none itself.
    pub(super) fn named_else(self, device: Option<&'b str>) -> Self {
        Self { device: self.device.or(device), ..self }
    }
}

/// The device of a flat object.
fn device_of(object: &Object) -> Option<&str> {
    fields::DEVICES.iter().find_map(|key| {
        let node = &object.get(*key)?.node;
        let name = node.as_name().filter(|name| !name.trim().is_empty())?;
        // `id` of a component is its number.
        let is_number = *key == "id" && name.parse::<u16>().is_ok();
        (!is_number).then_some(name)
    })
}

/// The address of the device in its whole status (`Shelly.GetStatus`).
fn address(status: &Object) -> Option<&str> {
    status.get("sys")?.node.get("mac")?.as_str()
}

/// The time that an object states for itself; 0 is a clock that was not set yet (Gen1: `unixtime`).
fn time_of(object: &Object) -> Option<&Node> {
    let own = fields::TIMES.iter().find_map(|key| {
        let node = &object.get(*key)?.node;
        (*node != Node::Null).then_some(node)
    });
    own.or_else(|| object.get("sys")?.node.get("unixtime"))
}

/// When something was so. A clock that was never set says 0.
pub(super) fn moment(time: Option<&Node>, clock: &Clock) -> Moment {
    let is_unset = |node: &&Node| node.as_name().is_some_and(|text| text.parse() == Ok(0.0));
    clock.of_node(time.filter(|node| !is_unset(node)))
}

/// An MQTT topic of the second generation: `<prefix>/events/rpc`, `<prefix>/status/<component>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Topic {
    /// The prefix, which is the device's id unless it was changed.
    device: Option<String>,
    component: String,
}

impl Topic {
    pub(super) fn of(topic: &str) -> Option<Self> {
        let named = |device: &str| (!device.is_empty()).then(|| device.to_owned());
        if let Some((device, component)) = topic.rsplit_once("/status/") {
            return Some(Self { device: named(device), component: component.to_owned() });
        }
        let device = topic.strip_suffix("/events/rpc").or_else(|| topic.strip_suffix("/online"))?;
        Some(Self { device: named(device), component: String::new() })
    }
}
