//! The readings of a frame.

use std::collections::HashSet;

use event_model::Name;
use jiff::Timestamp;

use super::message::Message;
use super::normalized;
use crate::decode::{Context, DecodeError, Decoded, Problem};
use crate::device;
use crate::formats::lorawan::{self, Frame};
use crate::json::{Node, Object};
use crate::measure;
use crate::time::Clock;
use crate::walk::Walk;

/// `uplink_message`: what the normalised payload has, and what else the formatter decoded.
pub(super) fn decode(message: &Message, device: &Name, context: Context<'_>) -> Result<Decoded, DecodeError> {
    let Some(uplink) = message.node.get("uplink_message") else { return Ok(Decoded::default()) };
    let place = format!("{}uplink_message.", message.place);
    let moment = message.moment(uplink, &Clock::new(context));
    let frame = Frame { device, context, moment };
    let mut normalized = Decoded::default();
    frame.normalized(uplink, &place, &mut normalized)?;
    let mut decoded = Decoded::default();
    let payload = uplink.get("decoded_payload");
    let payload_place = format!("{place}decoded_payload");
    frame.add(payload, &payload_place, &lorawan::name_field, &mut decoded).map_err(DecodeError)?;
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
    Frame { device, context, moment }.normalized(uplink, &place, &mut decoded)?;
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

/// A reading among those of its frame: channel, metric, time.
type Series = (Name, Name, Timestamp);

/// One measurement of a normalised payload.
struct Measurement<'p> {
    /// What stands before its fields in the body.
    place: &'p str,
    /// The same within `place`, as its readings keep it.
    path: &'p str,
    /// Its place in the list.
    index: usize,
}

impl Frame<'_> {
    /// The normalised payload below `uplink`: a list of measurements in an uplink, one in an `uplink_normalized`.
    fn normalized(&self, uplink: &Node, place: &str, decoded: &mut Decoded) -> Result<(), DecodeError> {
        match uplink.get("normalized_payload") {
            None => Ok(()),
            Some(Node::Object(measurement)) => {
                let at = Measurement { place, path: "normalized_payload", index: 0 };
                self.measurement(measurement, &at, &mut HashSet::new(), decoded)
            }
            Some(Node::List(measurements)) => {
                let mut seen = HashSet::new();
                measurements.iter().enumerate().try_for_each(|(index, node)| {
                    let path = format!("normalized_payload[{index}]");
                    match node {
                        Node::Object(measurement) => {
                            let at = Measurement { place, path: &path, index };
                            self.measurement(measurement, &at, &mut seen, decoded)
                        }
                        other => {
                            let reason = format!("expected an object, found {}", other.kind());
                            decoded.problems.push(Problem::new(format!("{place}{path}"), reason));
                            Ok(())
                        }
                    }
                })
            }
            Some(other) => {
                let reason = format!("expected a list, found {}", other.kind());
                decoded.problems.push(Problem::new(format!("{place}normalized_payload"), reason));
                Ok(())
            }
        }
    }

    /// A normaliser may give several measurements of one kind and no times: the later ones have their index in the channel.
    fn measurement(
        &self,
        measurement: &Object,
        at: &Measurement<'_>,
        seen: &mut HashSet<Series>,
        decoded: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let Measurement { place, path, index } = at;
        // A measurement that the device took before it sent the frame has a time of its own.
        let own_time = measurement.get("time").map(|member| &member.node).filter(|node| **node != Node::Null);
        let moment = own_time.map_or(self.moment, |time| Clock::new(self.context).of_node(Some(time)));
        let walk = Walk {
            raw_prefix: &format!("{path}."),
            place_prefix: &format!("{place}{path}."),
            name: &normalized::name_field,
            ..Walk::by_table(self.context, self.device, moment)
        };
        for field in walk.fields(measurement, &mut decoded.problems).map_err(DecodeError)? {
            let mut channel = field.channel;
            if !seen.insert((channel.clone(), field.reading.metric.clone(), field.at)) {
                channel = device::channel(format!("{channel}.{index}").trim_start_matches('.'));
                seen.insert((channel.clone(), field.reading.metric.clone(), field.at));
            }
            decoded.push(self.device, &channel, field.at, field.reading);
        }
        Ok(())
    }
}
