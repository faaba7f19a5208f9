#![doc = include_str!("../zigbee2mqtt.md")]

mod fields;
mod message;
mod topic;

use event_model::{Name, RecordedRequest};

use self::message::{Body, Message};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::names;
use crate::time::Clock;
use crate::walk::Walk;

/// What Zigbee2MQTT publishes about its devices.
#[derive(Debug, Clone, Copy, Default)]
pub struct Zigbee2Mqtt;

impl Decoder for Zigbee2Mqtt {
    fn name(&self) -> &'static str {
        "zigbee2mqtt"
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[message::TOPIC_HEADER]
    }

    /// Messages have QoS 0 unless a device's options say otherwise.
    fn impatience(&self) -> Option<&'static str> {
        Some("Zigbee2MQTT publishes once")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        // Home Assistant's `rest_command` sends bytes where it is given no content type.
        form::expect_json(request, &["text/plain", "application/octet-stream"])?;
        Ok(Box::new(Body::read(request)?))
    }
}

impl Document for Body {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let [Ok(message)] = self.messages.as_slice() else { return Ok(Inspection::default()) };
        let device = message.device().and_then(|device| device::normalise(device).ok());
        Ok(Inspection { device, ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let messages = self.messages.iter().map(|message| message.as_ref().map_err(Clone::clone));
        decoded.add_each(messages, !self.is_list, |message, decoded| take(message, context, decoded))?;
        Ok(decoded)
    }
}

/// Takes one message.
fn take(message: &Message, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let Some(state) = &message.state else { return Ok(()) };
    let device: Name = match message.device() {
        Some(raw) => {
            device::normalise(raw).map_err(|reason| Problem::within(&message.place, "topic", reason))?.into()
        }
        None => context.unnamed_device()?,
    };
    let last_seen = state.get("last_seen").map(|member| &member.node);
    let walk = Walk {
        place_prefix: &message.place,
        name: &|parents, key| fields::name_field(state, parents, key),
        ..Walk::by_table(context, &device, Clock::new(context).of_node(last_seen))
    };
    walk.add(state, decoded)?;
    let about = state.get("device").and_then(|member| member.node.as_object());
    for (key, member) in about.into_iter().flatten().take(MAX_TAGS) {
        if let Node::Text(text) = &member.node {
            decoded.tags.push((
                device.clone(),
                names::snake_case(names::cut(key, MAX_TAG)),
                text.to_string(),
            ));
        }
    }
    Ok(())
}

/// What `include_device_information` adds is less than that.
const MAX_TAGS: usize = 32;

/// The longest name of a tag, in bytes.
const MAX_TAG: usize = 64;

#[cfg(test)]
mod tests;
