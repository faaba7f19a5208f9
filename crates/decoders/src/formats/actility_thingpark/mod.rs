#![doc = include_str!("../actility_thingpark.md")]

mod points;
mod report;

use event_model::{Name, RecordedRequest, form as fields};
use settings::Fields;

use self::report::{Kind, Report};
use super::lorawan::{self, Frame, Payload, Raw};
use super::several::Several;
use crate::codec::Codecs;
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::options::Options;
use crate::time::Clock;
use crate::walk::{NameField, Named};

/// Actility's ThingPark: the tunnel interface of the network server, and ThingPark X IoT Flow.
#[derive(Debug, Clone, Copy, Default)]
pub struct ActilityThingpark;

impl Decoder for ActilityThingpark {
    fn name(&self) -> &'static str {
        "actility_thingpark"
    }

    /// Takes out the signature in the query, whoever checked it, and session keys.
    fn redact(&self, request: &mut RecordedRequest) {
        request.query = fields::without(&request.query, |name| name == "Token");
        lorawan::take_out_key(request, "AppSKey");
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Codecs::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        form::expect_json(request, &[])?;
        Ok(Box::new(Several::of(form::parse_json(request)?, report::NOT_ONE, Report::of)?))
    }
}

impl Document for Several<Report> {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let Some(report) = self.only() else { return Ok(Inspection::default()) };
        Ok(Inspection {
            device: report.device().ok().flatten(),
            message_id: report.id(),
            content: report.fingerprint(),
            handshake: None,
        })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        self.decode(context, take)
    }
}

/// The readings of one report: its points, and what else the driver decoded.
fn take(report: &Report, context: Context<'_>) -> Result<Decoded, Problem> {
    if report.kind == Kind::Other {
        return Ok(Decoded::default());
    }
    let refused = |reason| Problem::new(format!("{}DevEUI", report.place), reason);
    let device = report.device().map_err(refused)?;
    let device = device.map(Name::from).map_or_else(|| context.unnamed_device(), Ok)?;
    let frame = Frame { device: &device, context, moment: Clock::new(context).of_node(report.time()) };
    let mut decoded = Decoded::default();
    let raw = Raw {
        payload: Payload::Hex(report.get("payload_hex")),
        port: report.get("FPort"),
        models: &report.models(),
        is_decoded: report.payload().is_some() || report.get("points").is_some(),
        place: &format!("{}payload_hex", report.place),
    };
    if frame.add_by_codec(&raw, &mut decoded)? {
        return Ok(decoded);
    }
    let mut stated = Decoded::default();
    points::add(&frame, report, &mut stated)?;
    let repeats_bytes = report.repeats_bytes();
    let name: NameField<'_> = &|parents, key| {
        let is_bytes = repeats_bytes && parents.is_empty() && key == "payload";
        if is_bytes { Named::Skip } else { lorawan::name_field(parents, key) }
    };
    frame.add(report.payload(), &format!("{}payload", report.place), name, &mut decoded)?;
    lorawan::leave_out_what_is_stated(&mut decoded, &stated);
    decoded.append(stated);
    Ok(decoded)
}

#[cfg(test)]
mod tests;
