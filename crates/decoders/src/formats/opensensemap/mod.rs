#![doc = include_str!("../opensensemap.md")]

mod csv;
mod measurement;
mod options;

use std::borrow::Cow;

use event_model::{Name, RecordedRequest};
use settings::Fields;

use self::measurement::{Measurements, Written};
use self::options::Sensors;
use super::sensor_community::{LIST, Values};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::Node;
use crate::options::Options;
use crate::time::Clock;
use crate::walk::{Named, Part, Walk};

/// What senseBoxes send to openSenseMap.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opensensemap;

/// What the boxes' text/csv is called.
const CSV: &str = "text/csv";

impl Decoder for Opensensemap {
    fn name(&self) -> &'static str {
        "opensensemap"
    }

    /// As api.opensensemap.org answers.
    fn success_status(&self) -> u16 {
        201
    }

    fn success_body(&self, request: &RecordedRequest) -> Option<(&'static str, &'static str)> {
        let is_one = Place::of(request).sensor.is_some();
        let body = if is_one { "\"Measurement saved in box\"" } else { "\"Measurements saved in box\"" };
        Some(("application/json", body))
    }

    /// A box sends once, and its next message has other values.
    fn impatience(&self) -> Option<&'static str> {
        Some("senseBoxes send once")
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Sensors::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
        form::expect_json(request, &[CSV])?;
        let place = Place::of(request);
        let content = if request.media_type().as_deref() == Some(CSV) {
            Content::Measurements(csv::read(&request.body)?)
        } else {
            Content::of(form::parse_json(request)?, place.sensor.as_deref())?
        };
        Ok(Box::new(Message { device: place.device, content }))
    }
}

/// What the address names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    device: Option<String>,
    sensor: Option<String>,
}

impl Place {
    /// `boxes/BOX/data` or `boxes/BOX/SENSOR` behind the source's own path.
    fn of(request: &RecordedRequest) -> Self {
        let mut segments =
            form::source_path(&request.path).split('/').skip_while(|segment| *segment != "boxes").skip(1);
        let mut next =
            || segments.next().filter(|segment| !segment.is_empty()).map(event_model::form::percent_decoded);
        let (device, sensor) = (next().map(String::from), next().map(String::from));
        Self { device, sensor: sensor.filter(|sensor| sensor != "data") }
    }
}

/// A message of one box.
struct Message {
    device: Option<String>,
    content: Content,
}

enum Content {
    /// Values by sensor.
    Measurements(Measurements),
    /// As airrohr sends (`?luftdaten=1`): the list of names and values.
    Airrohr(Vec<Node>),
    /// As hackAIR sends (`?hackair=1`).
    Hackair(Node),
}

impl Content {
    /// The content of a body, by its shape: the parameters of the query are not sent to everybody.
    fn of(body: Node, sensor: Option<&str>) -> Result<Self, FormError> {
        if let Some(Node::List(list)) = body.get(LIST) {
            return Ok(Self::Airrohr(list.clone()));
        }
        if body.get("reading").is_some_and(|reading| reading.as_object().is_some()) {
            return Ok(Self::Hackair(body));
        }
        measurement::read(body, sensor).map(Self::Measurements)
    }
}

impl Document for Message {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let device = self.device.as_deref().and_then(|raw| device::normalise(raw).ok());
        Ok(Inspection { device, ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let refused =
            |reason: &str| DecodeError(Problem::new("", format!("the box in the address: {reason}")));
        let device = match &self.device {
            Some(raw) => device::normalise(raw).map(Name::from).map_err(refused)?,
            None => context.unnamed_device().map_err(DecodeError)?,
        };
        let mut decoded = Decoded::default();
        match &self.content {
            Content::Measurements(measurements) => {
                let written = Written { context, device: &device, sensors: context.profile.options.get() };
                measurements.add(&written, &mut decoded)?;
            }
            Content::Airrohr(list) => {
                let (channel, moment) = (&Name::default(), Clock::new(context).received());
                let values = Values { context, device: &device, channel, moment, place: "" };
                values.add(list, &mut decoded).map_err(DecodeError)?;
            }
            Content::Hackair(body) => hackair(body, context, &device, &mut decoded).map_err(DecodeError)?,
        }
        Ok(decoded)
    }
}

/// A hackAIR node's message: dust below `reading`, and its own state beside that.
fn hackair(body: &Node, context: Context<'_>, device: &Name, decoded: &mut Decoded) -> Result<(), Problem> {
    let Some(members) = body.as_object() else { return Ok(()) };
    // What it measures is the box's own, not that of a part called `reading`.
    let name = |parents: &[Cow<'_, str>], key: &str| match hackair_name(key) {
        Named::Metric { metric, unit, .. } => {
            Named::Metric { metric, unit, part: (!parents.is_empty()).then_some(Part::Above) }
        }
        Named::Skip => Named::Skip,
    };
    let moment = Clock::new(context).received();
    Walk { name: &name, ..Walk::by_table(context, device, moment) }.add(members, decoded)
}

fn hackair_name(key: &str) -> Named {
    let dust = [
        ("PM1_AirPollutantValue", "pm1"),
        ("PM2.5_AirPollutantValue", "pm2_5"),
        ("PM10_AirPollutantValue", "pm10"),
    ];
    match dust.iter().find(|(name, _)| *name == key) {
        Some((_, metric)) => {
            Named::Metric { metric: Name::known(metric), unit: Some(Name::known("ug/m3")), part: None }
        }
        None => Named::by_table(key),
    }
}

#[cfg(test)]
mod tests;
