#![doc = include_str!("../ttn_v3.md")]

mod message;
mod uplink;

use event_model::{Name, RecordedRequest};
use settings::Fields;

use self::message::{Kind, Message};
use super::lorawan;
use crate::codec::Codecs;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::options::Options;

/// Webhooks of The Things Stack v3.
#[derive(Debug, Clone, Copy, Default)]
pub struct TtnV3;

impl Decoder for TtnV3 {
    fn name(&self) -> &'static str {
        "ttn_v3"
    }

    fn redact(&self, request: &mut RecordedRequest) {
        lorawan::take_out_key(request, "app_s_key");
    }

    /// Community servers try once, with 5 s by default in the webhook client.
    fn impatience(&self) -> Option<&'static str> {
        Some("The Things Stack sends once and waits 5 s")
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Codecs::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
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
            ..Inspection::default()
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refused = |reason| DecodeError(Problem::new("end_device_ids", reason));
        let device = self.device().map_err(refused)?;
        let device =
            device.map(Name::from).map_or_else(|| context.unnamed_device(), Ok).map_err(DecodeError)?;
        match self.kind {
            Kind::Uplink => uplink::decode(self, &device, context),
            Kind::Normalized => uplink::decode_normalized(self, &device, context),
            Kind::Join | Kind::Other => Ok(Decoded::default()),
        }
    }
}

#[cfg(test)]
mod tests;
