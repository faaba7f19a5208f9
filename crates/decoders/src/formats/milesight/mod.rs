#![doc = include_str!("../milesight.md")]

mod gateway;
mod names;
mod platform;

use event_model::RecordedRequest;
use settings::Fields;

use self::gateway::Uplink;
use self::platform::Event;
use super::several::Several;
use crate::codec::Codecs;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::options::Options;

/// Webhooks of Milesight's Development Platform, and what its gateways post.
#[derive(Debug, Clone, Copy, Default)]
pub struct Milesight;

/// Why a JSON value is neither.
const NOT_ONE: &str = "expected an event of the Milesight Development Platform (eventType) or a gateway's message (devEUI), found neither";

impl Decoder for Milesight {
    fn name(&self) -> &'static str {
        "milesight"
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Codecs::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        form::expect_json(request, &["text/plain"])?;
        Ok(Box::new(Several::of(form::parse_json(request)?, NOT_ONE, Message::of)?))
    }
}

/// A message of one of the two.
enum Message {
    Event(Event),
    Uplink(Uplink),
}

impl Message {
    /// The message in a JSON value that stands at `place`; `None` where there is none.
    fn of(item: Node, place: String) -> Option<Self> {
        let Node::Object(mut members) = item else { return None };
        if let Some(event) = members.swap_remove("webhookPushEvent") {
            return Event::of(event.node, format!("{place}webhookPushEvent.")).map(Self::Event);
        }
        if members.contains_key("eventType") {
            return Event::of(Node::Object(members), place).map(Self::Event);
        }
        members.retain(|_, member| member.node != Node::Null);
        Uplink::of(members, place).map(Self::Uplink)
    }

    fn device(&self) -> Result<Option<String>, &'static str> {
        match self {
            Self::Event(event) => event.device(),
            Self::Uplink(uplink) => uplink.device(),
        }
    }

    fn id(&self) -> Option<String> {
        match self {
            Self::Event(event) => event.id(),
            Self::Uplink(uplink) => uplink.id(),
        }
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, Problem> {
        match self {
            Self::Event(event) => event.read(context),
            Self::Uplink(uplink) => uplink.read(context),
        }
    }
}

impl Document for Several<Message> {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let Some(message) = self.only() else { return Ok(Inspection::default()) };
        Ok(Inspection {
            device: message.device().ok().flatten(),
            message_id: message.id(),
            ..Inspection::default()
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        self.decode(context, Message::read)
    }
}

#[cfg(test)]
mod tests;
