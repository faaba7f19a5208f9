#![doc = include_str!("../particle.md")]

mod data;
mod envelope;

use event_model::RecordedRequest;

use self::envelope::Envelope;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::time::Clock;

/// Webhooks of the Particle cloud.
#[derive(Debug, Clone, Copy, Default)]
pub struct Particle;

impl Decoder for Particle {
    fn name(&self) -> &'static str {
        "particle"
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT", "GET"])?;
        let query = form::object_of_fields(&request.query);
        let query = Node::Object(Box::new(query));
        let root = form::parse_json_or_form(request)?;
        match root {
            Node::Object(_) | Node::List(_) => Ok(Box::new(Body { root, query })),
            other => Err(form::no_object(&other)),
        }
    }
}

/// What was sent: an event, or an array of events, and the fields of the address.
struct Body {
    root: Node,
    query: Node,
}

impl Body {
    /// Each event, with what stands before the places in it.
    fn events(&self) -> impl Iterator<Item = Result<(Envelope<'_>, String), Problem>> {
        let list = self.root.as_list();
        let query = self.query.as_object();
        let items = list.unwrap_or(std::slice::from_ref(&self.root));
        items.iter().enumerate().map(move |(index, item)| match item.as_object() {
            Some(event) => {
                let place = if list.is_some() { format!("[{index}].") } else { String::new() };
                Ok((Envelope::of(event, query), place))
            }
            None => {
                let reason = format!("expected an object, found {}", item.kind());
                Err(Problem::new(format!("[{index}]"), reason))
            }
        })
    }
}

impl Document for Body {
    /// The device and the event's id, where there is one event only.
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let mut events = self.events();
        let (Some(Ok((event, _))), None) = (events.next(), events.next()) else {
            return Ok(Inspection::default());
        };
        let device = event.device.and_then(|raw| device::normalise(raw).ok());
        Ok(Inspection { device, message_id: event.id.map(str::to_owned), ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        decoded.add_each(self.events(), false, |(event, place), decoded| {
            add(&event, &place, context, decoded)
        })?;
        Ok(decoded)
    }
}

/// Adds the readings of one event.
fn add(
    event: &Envelope<'_>,
    place: &str,
    context: Context<'_>,
    decoded: &mut Decoded,
) -> Result<(), Problem> {
    let device = match event.device {
        Some(raw) => {
            let refused = |reason| Problem::new(format!("{place}coreid"), reason);
            device::normalise(raw).map_err(refused)?.into()
        }
        None => context.unnamed_device()?,
    };
    let moment = Clock::new(context).of_node(event.time);
    data::Readings { context, device: &device, moment, event: event.name, place }.add(event, decoded)
}

#[cfg(test)]
mod tests;
