#![doc = include_str!("../chirpstack_v4.md")]

mod event;
mod legacy;
mod protobuf;

use event_model::{Name, RecordedRequest};
use settings::Fields;

use self::event::{Event, Kind};
use super::lorawan::{self, Frame, Payload, Raw};
use crate::codec::Codecs;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::measure::{self, Measurement};
use crate::options::Options;
use crate::time::Clock;
use crate::value;

/// ChirpStack's HTTP integration, version 4, JSON or Protocol Buffers.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChirpstackV4;

impl Decoder for ChirpstackV4 {
    fn name(&self) -> &'static str {
        "chirpstack_v4"
    }

    fn redact(&self, request: &mut RecordedRequest) {
        if is_protobuf(request) {
            protobuf::take_out_key(request);
        } else {
            lorawan::take_out_key(request, "appSKey");
        }
    }

    /// 5 s, no retry (`integration/http.rs`).
    fn impatience(&self) -> Option<&'static str> {
        Some("ChirpStack sends once and waits 5 s")
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Codecs::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
        let event = Event::of(request, read(request)?);
        Ok(Box::new(event.ok_or_else(|| FormError::Unprocessable(event::NOT_ONE.to_owned()))?))
    }
}

impl Document for Event {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        Ok(Inspection {
            device: self.device().ok().flatten(),
            message_id: self.body.get("deduplicationId").and_then(Node::as_str).map(str::to_owned),
            ..Inspection::default()
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refused = |reason| DecodeError(Problem::new("deviceInfo.devEui", reason));
        let device = self.device().map_err(refused)?;
        let device =
            device.map(Name::from).map_or_else(|| context.unnamed_device(), Ok).map_err(DecodeError)?;
        let mut decoded = Decoded { tags: self.tags(&device), ..Decoded::default() };
        let frame = Frame { device: &device, context, moment: self.moment(&Clock::new(context)) };
        match self.kind {
            Kind::Up | Kind::LegacyUp if self.add_by_codec(&frame, &mut decoded)? => {}
            Kind::Up => frame.object(&self.body, "object", &mut decoded)?,
            Kind::LegacyUp => legacy::decode(&frame, &self.body, &mut decoded)?,
            Kind::Status => frame.status(&self.body, &mut decoded),
            Kind::Other => {}
        }
        Ok(decoded)
    }
}

impl Event {
    /// Adds what this source's codec makes of the frame, where it has one for it.
    fn add_by_codec(&self, frame: &Frame<'_>, decoded: &mut Decoded) -> Result<bool, DecodeError> {
        let has_text = |field: &str| {
            self.body.get(field).and_then(Node::as_str).is_some_and(|text| !text.trim().is_empty())
        };
        let raw = Raw {
            payload: Payload::Base64(self.body.get("data")),
            port: self.body.get("fPort"),
            models: &self.models(),
            // An object without members is what a device profile without a codec gives.
            is_decoded: self
                .body
                .get("object")
                .and_then(Node::as_object)
                .is_some_and(|object| !object.is_empty())
                || has_text("objectJSON"),
            place: "data",
        };
        frame.add_by_codec(&raw, decoded).map_err(DecodeError)
    }
}

impl Frame<'_> {
    /// What the device profile's codec decoded.
    fn object(&self, body: &Node, field: &str, decoded: &mut Decoded) -> Result<(), DecodeError> {
        self.add(body.get(field), field, &lorawan::name_field, decoded).map_err(DecodeError)
    }

    /// `DevStatusAns`: the margin of the link and the battery, which is none of either on a device with a plug.
    fn status(&self, body: &Node, decoded: &mut Decoded) {
        let is_set = |field: &str| body.get(field) == Some(&Node::Flag(true));
        let no_battery = is_set("externalPowerSource") || is_set("batteryLevelUnavailable");
        for (field, metric, unit) in
            [("margin", "link_margin", "dB"), ("batteryLevel", "battery_level", "%EL")]
        {
            if field == "batteryLevel" && no_battery {
                continue;
            }
            let Some(node) = body.get(field) else { continue };
            let reading = value::of_node(node, &[]).and_then(|value| {
                let measurement = Measurement {
                    metric: Name::known(metric),
                    raw_metric: self.context.raw_name("", field),
                    value,
                    unit: Some(unit),
                    moment: self.moment,
                };
                measure::reading(self.context.profile, measurement)
            });
            match reading {
                Ok(Some(reading)) => decoded.push(self.device, &Name::default(), self.moment.at, reading),
                Ok(None) => {}
                Err(reason) => decoded.problems.push(Problem::new(field, reason)),
            }
        }
    }
}

/// The body as JSON has it, whichever encoding the integration was set to.
fn read(request: &RecordedRequest) -> Result<Node, FormError> {
    form::expect_json(request, &protobuf::CONTENT_TYPES)?;
    if is_protobuf(request) { protobuf::read(request) } else { form::parse_object(request) }
}

fn is_protobuf(request: &RecordedRequest) -> bool {
    request.media_type().is_some_and(|media_type| protobuf::CONTENT_TYPES.contains(&media_type.as_str()))
}

/// A DevEUI as text: hexadecimal in version 4.
fn eui_or_name(text: &str) -> Result<String, &'static str> {
    lorawan::dev_eui(text).map_or_else(|| device::normalise(text), Ok)
}

#[cfg(test)]
mod tests;
