#![doc = include_str!("../airthings.md")]

use std::borrow::Cow;

use event_model::{Name, RecordedRequest};

use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::{Node, Object};
use crate::time::Clock;
use crate::walk::{Named, Walk};

/// Webhooks of Airthings for Business.
#[derive(Debug, Clone, Copy, Default)]
pub struct Airthings;

/// Why a JSON object is no event.
const NOT_ONE: &str = "expected an event of Airthings with data, found none";

/// What every sample says beside its values.
const ENVELOPE: [&str; 7] =
    ["serialNumber", "recorded", "ratings", "sensorUnits", "labels", "relayDeviceType", "deviceType"];

/// What is called otherwise than by the table: our metric, and the unit where none is stated.
const NAMES: [(&str, &str, &str); 6] = [
    ("radonShortTermAvg", "radon_24h", "Bq/m3"),
    ("radonLongTermAvg", "radon_long_term", "Bq/m3"),
    ("hourlyRadon", "radon", "Bq/m3"),
    ("battery", "battery_level", "%EL"),
    ("light", "light_level", "%"),
    ("sla", "sound_level", "dB"),
];

/// The units that Airthings abbreviates in its own way.
const UNITS: [(&str, &str); 6] =
    [("c", "Cel"), ("f", "Far"), ("bq", "Bq/m3"), ("mgpc", "ug/m3"), ("pct", "%"), ("dba", "dB")];

impl Decoder for Airthings {
    fn name(&self) -> &'static str {
        "airthings"
    }

    /// As the senders' guide asks for.
    fn success_status(&self) -> u16 {
        200
    }

    fn impatience(&self) -> Option<&'static str> {
        Some("Airthings sends once and waits 3 s")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
        form::expect_json(request, &["application/cloudevents+json"])?;
        let body = form::parse_object(request)?;
        if body.get("data").is_none() {
            return Err(FormError::Unprocessable(NOT_ONE.to_owned()));
        }
        Ok(Box::new(Event { body }))
    }
}

/// An event with samples of one device or several.
struct Event {
    body: Node,
}

impl Event {
    /// Its samples: a list, or the only one.
    fn samples(&self) -> &[Node] {
        match self.body.get("data") {
            Some(Node::List(samples)) => samples,
            Some(one) => std::slice::from_ref(one),
            None => &[],
        }
    }

    /// Whether it tells of samples, and not of a device that was added or has lost its connection.
    fn has_samples(&self) -> bool {
        self.body.get("type").and_then(Node::as_str).is_none_or(|kind| kind.contains("sample"))
    }

    /// The device of all its samples; `None` where they are of several.
    fn device(&self) -> Option<String> {
        let mut devices = self.samples().iter().map(serial_number);
        let first = devices.next()??;
        devices.all(|device| device == Some(first)).then(|| device::normalise(first).ok())?
    }
}

fn serial_number(sample: &Node) -> Option<&str> {
    sample.get("serialNumber").and_then(Node::as_name).filter(|serial| !serial.trim().is_empty())
}

impl Document for Event {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let id = self.body.get("id").and_then(Node::as_name).filter(|id| !id.trim().is_empty());
        Ok(Inspection { device: self.device(), message_id: id.map(str::to_owned), ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        if !self.has_samples() {
            return Ok(decoded);
        }
        let is_alone = !matches!(self.body.get("data"), Some(Node::List(_)));
        let places = |index: usize| if is_alone { "data".to_owned() } else { format!("data[{index}]") };
        let each = self.samples().iter().enumerate().map(|(index, sample)| Ok((places(index), sample)));
        decoded.add_each(each, is_alone, |(place, sample), decoded| add(sample, &place, context, decoded))?;
        Ok(decoded)
    }
}

/// The values of one sample.
fn add(sample: &Node, place: &str, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let Some(values) = sample.as_object() else {
        return Err(Problem::new(place, format!("expected an object, found {}", sample.kind())));
    };
    let refused = |reason| Problem::new(format!("{place}.serialNumber"), reason);
    let device = match serial_number(sample) {
        Some(serial) => device::normalise(serial).map_err(refused)?.into(),
        None => context.unnamed_device()?,
    };
    let units = sample.get("sensorUnits").and_then(Node::as_object);
    let name = |parents: &[Cow<'_, str>], key: &str| named(parents, key, units);
    let walk = Walk {
        place_prefix: &format!("{place}."),
        raw_prefix: "",
        name: &name,
        ..Walk::by_table(context, &device, Clock::new(context).of_node(sample.get("recorded")))
    };
    walk.add(values, decoded)
}

/// A value's metric, and the unit that the sample states for it.
fn named(parents: &[Cow<'_, str>], key: &str, units: Option<&Object>) -> Named {
    let top = parents.first().map_or(key, |parent| parent);
    if ENVELOPE.contains(&top) {
        return Named::Skip;
    }
    let stated = units.and_then(|units| units.get(key)).and_then(|unit| unit.node.as_str());
    let stated = stated.map(|unit| {
        let lower = unit.to_ascii_lowercase();
        let known = UNITS.iter().find(|(own, _)| *own == lower);
        known.map_or_else(|| Name::from(unit), |(_, unit)| Name::known(unit))
    });
    match NAMES.iter().find(|(own, ..)| *own == key) {
        Some((_, metric, unit)) => Named::Metric {
            metric: Name::known(metric),
            unit: Some(stated.unwrap_or(Name::known(unit))),
            part: None,
        },
        None => match Named::by_table(key) {
            Named::Metric { metric, unit, part } => Named::Metric { metric, unit: stated.or(unit), part },
            Named::Skip => Named::Skip,
        },
    }
}

#[cfg(test)]
mod tests;
