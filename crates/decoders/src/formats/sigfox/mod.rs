#![doc = include_str!("../sigfox.md")]

mod batch;
mod callback;

use event_model::RecordedRequest;

use self::callback::Callback;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::time::Clock;
use crate::walk::Walk;

/// Callbacks of the Sigfox cloud.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sigfox;

impl Decoder for Sigfox {
    fn name(&self) -> &'static str {
        "sigfox"
    }

    /// Any success will do, but to a `BIDIR` callback 204 alone says that there is nothing to send to the device.
    fn success_status(&self) -> u16 {
        204
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT", "GET"])?;
        Ok(Box::new(Body::read(request)?))
    }
}

/// What was sent: a callback, or several.
struct Body {
    items: Vec<Item>,
}

/// A callback, or the reason why it is none, with its place and what stands before the places in it.
struct Item {
    fields: Result<Node, String>,
    place: String,
}

impl Body {
    /// JSON, a form or a query with the fields of one callback, or lines with one each.
    fn read(request: &RecordedRequest) -> Result<Self, FormError> {
        if let Some(lines) = batch::of(request)? {
            return Ok(Self { items: lines });
        }
        let item = |fields: Node, place: String| {
            let fields = match fields {
                Node::Object(_) => Ok(fields),
                other => Err(format!("expected an object, found {}", other.kind())),
            };
            Item { fields, place }
        };
        match form::parse_json_or_form(request)? {
            Node::List(list) => {
                let items = list.into_iter().enumerate();
                Ok(Self { items: items.map(|(index, fields)| item(fields, format!("[{index}]"))).collect() })
            }
            fields @ Node::Object(_) => Ok(Self { items: vec![item(fields, String::new())] }),
            other => Err(form::no_object(&other)),
        }
    }
}

impl Document for Body {
    /// The device and the message's id, where there is one callback only.
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let [Item { fields: Ok(Node::Object(fields)), .. }] = self.items.as_slice() else {
            return Ok(Inspection::default());
        };
        let callback = Callback::of(fields);
        let device = callback.device().ok().flatten();
        Ok(Inspection { message_id: callback.id(device.as_deref()), device, ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        decoded.add_each(self.items.iter().map(Ok), false, |item, decoded| add(item, context, decoded))?;
        Ok(decoded)
    }
}

/// Adds the readings of one callback.
fn add(item: &Item, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let refused = |reason: String| Problem::new(&item.place, reason);
    let fields = match &item.fields {
        Ok(Node::Object(fields)) => fields,
        Ok(other) => return Err(refused(format!("expected an object, found {}", other.kind()))),
        Err(reason) => return Err(refused(reason.clone())),
    };
    let callback = Callback::of(fields);
    let device = match callback.device().map_err(refused)? {
        Some(device) => device.into(),
        None => context.unnamed_device()?,
    };
    let prefix = if item.place.is_empty() { String::new() } else { format!("{}.", item.place) };
    for key in callback.unfilled() {
        let reason = "Sigfox did not fill in the variable of this field";
        decoded.problems.note(|| Problem::within(&prefix, key, reason));
    }
    let walk = Walk {
        place_prefix: &prefix,
        name: &|parents, key| callback.name(parents, key),
        ..Walk::by_table(context, &device, Clock::new(context).of_node(callback.time))
    };
    walk.add(fields, decoded)
}

#[cfg(test)]
mod tests;
