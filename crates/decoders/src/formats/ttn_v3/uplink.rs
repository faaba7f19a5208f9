//! The readings of a frame.

use std::collections::HashSet;

use event_model::Reading;
use jiff::Timestamp;

use super::message::Message;
use super::normalized;
use crate::decode::{Context, DecodeError, Decoded, Problem};
use crate::device;
use crate::formats::lorawan;
use crate::json::{Node, Object};
use crate::measure;
use crate::time::{Clock, Moment};
use crate::walk::Walk;

/// `uplink_message`: what the normalised payload has, and what else the formatter decoded.
pub(super) fn decode(message: &Message, device: &str, context: Context<'_>) -> Result<Decoded, DecodeError> {
    let Some(uplink) = message.node.get("uplink_message") else { return Ok(Decoded::default()) };
    let place = format!("{}uplink_message.", message.place);
    let moment = message.moment(uplink, &Clock::new(context));
    let frame = Frame { device, context, moment };
    let mut normalized = Decoded::default();
    frame.normalized(uplink, &place, &mut normalized)?;
    let mut decoded = Decoded::default();
    match uplink.get("decoded_payload") {
        None => {}
        Some(Node::Object(payload)) => {
            let place = format!("{place}decoded_payload.");
            let walk = Walk {
                place_prefix: &place,
                name: &lorawan::name_field,
                ..Walk::by_table(context.profile, device, moment)
            };
            walk.add(payload, &mut decoded).map_err(DecodeError)?;
        }
        Some(other) => {
            let reason = format!("expected an object, found {}", other.kind());
            decoded.problems.push(Problem::new(format!("{place}decoded_payload"), reason));
        }
    }
    if is_empty_frame(uplink) {
        decoded.readings.iter_mut().for_each(|reading| measure::doubt(reading, "empty_frm_payload"));
    }
    // The schema fixes the units of the normalised values; the formatter's own may be anything.
    let normalised: HashSet<_> = normalized
        .readings
        .iter()
        .flat_map(|reading| ["", &reading.channel].map(|channel| (channel, reading.metric.as_str())))
        .collect();
    decoded
        .readings
        .retain(|reading| !normalised.contains(&(reading.channel.as_str(), reading.metric.as_str())));
    decoded.readings.append(&mut normalized.readings);
    decoded.problems.append(&mut normalized.problems);
    doubt_if_simulated(message, &mut decoded.readings);
    Ok(decoded)
}

/// `uplink_normalized`: one measurement, which an integration gets beside or in place of the uplink.
pub(super) fn decode_normalized(
    message: &Message,
    device: &str,
    context: Context<'_>,
) -> Result<Decoded, DecodeError> {
    let Some(uplink) = message.node.get("uplink_normalized") else { return Ok(Decoded::default()) };
    let moment = message.moment(uplink, &Clock::new(context));
    let mut decoded = Decoded::default();
    let place = format!("{}uplink_normalized.", message.place);
    Frame { device, context, moment }.normalized(uplink, &place, &mut decoded)?;
    doubt_if_simulated(message, &mut decoded.readings);
    Ok(decoded)
}

fn doubt_if_simulated(message: &Message, readings: &mut [Reading]) {
    if message.is_simulated() {
        readings.iter_mut().for_each(|reading| measure::doubt(reading, "simulated"));
    }
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
type Series = (String, String, Timestamp);

/// A normaliser may give several measurements of one kind and no times: the later ones have their index in the channel.
fn tell_apart(readings: &mut [Reading], index: usize, seen: &mut HashSet<Series>) {
    let series = |reading: &Reading| (reading.channel.clone(), reading.metric.clone(), reading.observed_at);
    for reading in readings {
        if !seen.insert(series(reading)) {
            let channel = format!("{}.{index}", reading.channel);
            reading.channel = device::channel(channel.trim_start_matches('.'));
            seen.insert(series(reading));
        }
    }
}

/// One frame of one device.
struct Frame<'a> {
    device: &'a str,
    context: Context<'a>,
    moment: Moment,
}

impl Frame<'_> {
    /// The normalised payload below `uplink`: a list of measurements in an uplink, one in an `uplink_normalized`.
    fn normalized(&self, uplink: &Node, place: &str, decoded: &mut Decoded) -> Result<(), DecodeError> {
        match uplink.get("normalized_payload") {
            None => Ok(()),
            Some(Node::Object(measurement)) => {
                self.measurement(measurement, place, "normalized_payload", decoded)
            }
            Some(Node::List(measurements)) => {
                let mut seen = HashSet::new();
                measurements.iter().enumerate().try_for_each(|(index, node)| {
                    let path = format!("normalized_payload[{index}]");
                    match node {
                        Node::Object(measurement) => {
                            let before = decoded.readings.len();
                            self.measurement(measurement, place, &path, decoded)?;
                            tell_apart(&mut decoded.readings[before..], index, &mut seen);
                            Ok(())
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

    fn measurement(
        &self,
        measurement: &Object,
        place: &str,
        path: &str,
        decoded: &mut Decoded,
    ) -> Result<(), DecodeError> {
        // A measurement that the device took before it sent the frame has a time of its own.
        let own_time = measurement.get("time").map(|member| &member.node).filter(|node| **node != Node::Null);
        let moment = own_time.map_or(self.moment, |time| Clock::new(self.context).of_node(Some(time)));
        let walk = Walk {
            raw_prefix: &format!("{path}."),
            place_prefix: &format!("{place}{path}."),
            name: &normalized::name_field,
            ..Walk::by_table(self.context.profile, self.device, moment)
        };
        walk.add(measurement, decoded).map_err(DecodeError)
    }
}
