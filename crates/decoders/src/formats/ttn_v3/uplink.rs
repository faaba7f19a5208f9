//! The readings of a frame.

use event_model::Name;

use super::message::Message;
use crate::decode::{Context, DecodeError, Decoded};
use crate::formats::lorawan::{self, Frame, Payload, Raw};
use crate::json::Node;
use crate::measure;
use crate::time::Clock;

/// What the normaliser gave.
const NORMALISED: &str = "normalized_payload";

/// `uplink_message`: what the normalised payload has, and what else the formatter decoded.
pub(super) fn decode(message: &Message, device: &Name, context: Context<'_>) -> Result<Decoded, DecodeError> {
    let Some(uplink) = message.node.get("uplink_message") else { return Ok(Decoded::default()) };
    let place = format!("{}uplink_message.", message.place);
    let moment = message.moment(uplink, &Clock::new(context));
    let frame = Frame { device, context, moment };
    let mut normalized = Decoded::default();
    let mut decoded = Decoded::default();
    let payload = uplink.get("decoded_payload");
    let is_decoded = payload.is_some() || uplink.get(NORMALISED).is_some();
    let raw = Raw {
        is_decoded,
        payload: Payload::Base64(uplink.get("frm_payload")),
        port: uplink.get("f_port"),
        models: &message.models(uplink),
        place: &format!("{place}frm_payload"),
    };
    if !frame.add_by_codec(&raw, &mut decoded).map_err(DecodeError)? {
        let at = (place.as_str(), NORMALISED);
        frame.add_normalised(uplink.get(NORMALISED), at, &mut normalized).map_err(DecodeError)?;
        let payload_place = format!("{place}decoded_payload");
        frame.add(payload, &payload_place, &lorawan::name_field, &mut decoded).map_err(DecodeError)?;
    }
    if is_empty_frame(uplink) {
        doubt(&mut decoded, "empty_frm_payload");
    }
    // The schema fixes the units of the normalised values; the formatter's own may be anything.
    lorawan::leave_out_what_is_stated(&mut decoded, &normalized);
    decoded.append(normalized);
    doubt_if_simulated(message, &mut decoded);
    Ok(decoded)
}

/// `uplink_normalized`: one measurement, which an integration gets beside or in place of the uplink.
pub(super) fn decode_normalized(
    message: &Message,
    device: &Name,
    context: Context<'_>,
) -> Result<Decoded, DecodeError> {
    let Some(uplink) = message.node.get("uplink_normalized") else { return Ok(Decoded::default()) };
    let moment = message.moment(uplink, &Clock::new(context));
    let mut decoded = Decoded::default();
    let place = format!("{}uplink_normalized.", message.place);
    let frame = Frame { device, context, moment };
    frame.add_normalised(uplink.get(NORMALISED), (&place, NORMALISED), &mut decoded).map_err(DecodeError)?;
    doubt_if_simulated(message, &mut decoded);
    Ok(decoded)
}

fn doubt_if_simulated(message: &Message, decoded: &mut Decoded) {
    if message.is_simulated() {
        doubt(decoded, "simulated");
    }
}

fn doubt(decoded: &mut Decoded, flag: &'static str) {
    let readings = decoded.samples.iter_mut().flat_map(|sample| &mut sample.readings);
    readings.for_each(|reading| measure::doubt(reading, flag));
}

/// Formatters make values of nothing (-32 °C of an empty frame). A whole frame without `frm_payload` was empty, since
/// proto3's JSON leaves out empty bytes; one that a field mask has cut may have had some.
fn is_empty_frame(uplink: &Node) -> bool {
    match uplink.get("frm_payload") {
        Some(payload) => payload.as_str().is_some_and(str::is_empty),
        None => uplink.get("rx_metadata").is_some() && uplink.get("settings").is_some(),
    }
}
