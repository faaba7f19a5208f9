#![doc = include_str!("../loriot.md")]

mod message;

use event_model::{Name, RecordedRequest};
use settings::Fields;

use self::message::{Kind, Message};
use super::lorawan::{self, Frame};
use crate::codec::Codecs;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::options::Options;
use crate::time::Clock;

/// LORIOT's application output *HTTP Push*.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loriot;

impl Decoder for Loriot {
    fn name(&self) -> &'static str {
        "loriot"
    }

    /// No documentation speaks of a retry.
    fn impatience(&self) -> Option<&'static str> {
        Some("LORIOT documents no retry")
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Codecs::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        form::expect_json(request, &[])?;
        let message = Message::of(form::parse_object(request)?);
        Ok(Box::new(message.ok_or_else(|| FormError::Unprocessable(message::NOT_ONE.to_owned()))?))
    }
}

impl Document for Message {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        Ok(Inspection {
            device: self.device().ok().flatten(),
            message_id: self.id(),
            content: self.fingerprint(),
            handshake: None,
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refused = |reason| DecodeError(Problem::new("EUI", reason));
        let device = self.device().map_err(refused)?;
        let device =
            device.map(Name::from).map_or_else(|| context.unnamed_device(), Ok).map_err(DecodeError)?;
        let mut decoded = Decoded::default();
        if self.kind == Kind::Uplink {
            let frame = Frame { device: &device, context, moment: self.moment(&Clock::new(context)) };
            let object = self.decoded();
            let raw = self.raw(!matches!(object, Object::None));
            match object {
                _ if frame.add_by_codec(&raw, &mut decoded).map_err(DecodeError)? => {}
                Object::None => {}
                Object::Failed(reason) => decoded.problems.push(Problem::new("decoded", reason)),
                Object::At(place, object) => {
                    frame
                        .add(Some(object), place, &lorawan::name_field, &mut decoded)
                        .map_err(DecodeError)?;
                }
            }
        }
        Ok(decoded)
    }
}

/// What the application's codec made of a frame.
enum Object<'m> {
    /// There is no codec.
    None,
    /// The codec says why it made nothing.
    Failed(String),
    /// What it made, and where that stands.
    At(&'static str, &'m Node),
}

#[cfg(test)]
mod tests;
