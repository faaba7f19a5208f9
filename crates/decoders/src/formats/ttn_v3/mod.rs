#![doc = include_str!("../ttn_v3.md")]

mod message;
mod normalized;
mod uplink;

use event_model::RecordedRequest;

use self::message::{Kind, Message};
use super::lorawan;
use crate::decode::{Context, DecodeError, Decoded, FormError, Intake, Problem, Profile};
use crate::form;
use crate::format::Decoder;

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

    fn inspect(&self, request: &RecordedRequest, _profile: &Profile) -> Result<Intake, FormError> {
        form::expect_method(request, &["POST"])?;
        form::expect_json(request, &[])?;
        let body = form::parse_object(request)?;
        let message =
            Message::of(&body).ok_or_else(|| FormError::Unprocessable(message::NOT_ONE.to_owned()))?;
        Ok(Intake { device: message.device().ok().flatten(), message_id: message.id(), handshake: None })
    }

    fn decode(&self, request: &RecordedRequest, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refused = |place: &str, reason: String| DecodeError(Problem::new(place, reason));
        let body = form::parse_object(request).map_err(|error| refused("", error.to_string()))?;
        let message = Message::of(&body).ok_or_else(|| refused("", message::NOT_ONE.to_owned()))?;
        let device = message.device().map_err(|reason| refused("end_device_ids", reason.to_owned()))?;
        let device = device.unwrap_or_else(|| context.profile.source.clone());
        match message.kind {
            Kind::Uplink => uplink::decode(&message, &device, context),
            Kind::Normalized => uplink::decode_normalized(&message, &device, context),
            Kind::Join | Kind::Other => Ok(Decoded::default()),
        }
    }
}

#[cfg(test)]
mod tests;
