#![doc = include_str!("../tasmota.md")]

mod fields;
mod topic;

use event_model::RecordedRequest;

use self::fields::Units;
use self::topic::Topic;
use super::mqtt;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::{Node, Object};
use crate::time::{Clock, Moment};
use crate::walk::Walk;

/// Tasmota's telemetry (`tele/<topic>/SENSOR`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Tasmota;

impl Decoder for Tasmota {
    fn name(&self) -> &'static str {
        "tasmota"
    }

    /// At a fixed interval, and never again.
    fn impatience(&self) -> Option<&'static str> {
        Some("Tasmota sends once")
    }

    /// `Time` is that of the wall where the plug is (`Timezone`), and says not which.
    fn writes_local_times(&self) -> bool {
        true
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        form::expect_json(request, &["text/plain"])?;
        Ok(Box::new(Body::read(request)?))
    }
}

impl Document for Body {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let device = self.topic.device.as_deref().and_then(|topic| device::normalise(topic).ok());
        Ok(Inspection { device, ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refused = |reason| DecodeError(Problem::new("topic", reason));
        let device = match &self.topic.device {
            Some(topic) => device::normalise(topic).map_err(refused)?.into(),
            None => context.unnamed_device().map_err(DecodeError)?,
        };
        let mut decoded = Decoded::default();
        let Some((place, sensors)) = self.sensors() else { return Ok(decoded) };
        let clock = Clock::new(context);
        let units = Units::of(sensors);
        let walk = Walk {
            place_prefix: &place,
            name: &|parents, key| units.name_field(sensors, parents, key),
            ..Walk::by_table(context, &device, moment(sensors, &clock))
        };
        walk.add(sensors, &mut decoded).map_err(DecodeError)?;
        Ok(decoded)
    }
}

/// `Epoch`, which `Time 2` adds in UTC, else `Time`.
fn moment(sensors: &Object, clock: &Clock) -> Moment {
    let field = |key: &str| sensors.get(key).map(|member| &member.node).filter(|node| **node != Node::Null);
    clock.of_node(field("Epoch").or_else(|| field("Time")))
}

/// What was posted: a message, and the topic it came under.
struct Body {
    topic: Topic,
    message: Node,
    /// What stands before the message's fields in the body: `payload.`, or nothing.
    place: &'static str,
}

impl Body {
    /// The message alone, with its topic in the path or the query; or a bridge's `{"topic": ..., "payload": ...}`.
    fn read(request: &RecordedRequest) -> Result<Self, FormError> {
        let topic = Topic::of(&mqtt::topic(request));
        let message = message(&topic, &request.body)?;
        let Some((topic, payload)) = mqtt::bridged(&message) else {
            return Ok(Self { topic, message, place: "" });
        };
        let topic = Topic::of(topic);
        let message = match payload {
            Node::Text(text) => self::message(&topic, text.as_bytes()).map_err(mqtt::within_payload)?,
            Node::Object(_) => payload.clone(),
            _ if !topic.is_sensor => Node::Null,
            other => return Err(mqtt::within_payload(form::no_object(other))),
        };
        Ok(Self { topic, message, place: "payload." })
    }

    /// The object with the sensors, and its place; `None` where the message has none (STATE, LWT, results).
    fn sensors(&self) -> Option<(String, &Object)> {
        if let Some(status) = self.message.get("StatusSNS").and_then(Node::as_object) {
            return Some((format!("{}StatusSNS.", self.place), status));
        }
        let is_state =
            ["Wifi", "UptimeSec", "StatusSTS", "Status"].iter().any(|key| self.message.get(key).is_some());
        let sensors = self.message.as_object()?;
        (self.topic.is_sensor && !is_state).then(|| (self.place.to_owned(), sensors))
    }
}

/// A message's text as JSON. `LWT` is `Online` and `POWER` is `ON`, so that a word is taken where no sensors are.
fn message(topic: &Topic, text: &[u8]) -> Result<Node, FormError> {
    if !topic.is_sensor && !text.trim_ascii_start().starts_with(b"{") {
        return Ok(Node::Null);
    }
    form::object_of(text)
}

#[cfg(test)]
mod tests;
