//! Values by sensor, in the shapes that openSenseMap's API takes as JSON.

use event_model::Name;

use super::options::{Sensor, Sensors};
use crate::decode::{Context, DecodeError, Decoded, FormError, Problem};
use crate::form;
use crate::json::Node;
use crate::measure;
use crate::time::Clock;
use crate::value;

/// The measurements of a message.
pub(super) struct Measurements {
    /// What is none is kept as the problem that it is.
    pub(super) each: Vec<Result<Measurement, Problem>>,
    /// Whether there can be one only.
    pub(super) is_one: bool,
}

/// A value of a sensor.
pub(super) struct Measurement {
    pub(super) sensor: String,
    pub(super) value: Node,
    /// When it was measured; `None`: when it was received.
    pub(super) at: Option<Node>,
    /// Where it stands in the body.
    pub(super) place: String,
}

/// Whose they are, and what the source says of the sensors.
pub(super) struct Written<'a> {
    pub(super) context: Context<'a>,
    pub(super) device: &'a Name,
    pub(super) sensors: Option<&'a Sensors>,
}

/// `{SENSOR: value, SENSOR: [value, createdAt, location]}`, `[{sensor, value, createdAt, location}]`, or of the sensor that the address
/// names `{value, createdAt, location}`.
pub(super) fn read(body: Node, sensor: Option<&str>) -> Result<Measurements, FormError> {
    match body {
        Node::List(items) => {
            let each =
                items.into_iter().enumerate().map(|(index, item)| of_item(&item, None, format!("[{index}]")));
            Ok(Measurements { each: each.collect(), is_one: false })
        }
        Node::Object(members) if members.contains_key("value") => {
            let one = of_item(&Node::Object(members), sensor, String::new());
            Ok(Measurements { each: vec![one], is_one: true })
        }
        Node::Object(members) => {
            let each = members.into_iter().map(|(sensor, member)| of_member(&sensor, member.node));
            Ok(Measurements { each: each.collect(), is_one: false })
        }
        other => Err(form::no_object(&other)),
    }
}

fn of_item(item: &Node, sensor: Option<&str>, place: String) -> Result<Measurement, Problem> {
    if item.as_object().is_none() {
        return Err(Problem::new(&place, format!("expected an object, found {}", item.kind())));
    }
    // Some clients write the id's name of the database.
    let named = ["sensor", "sensor_id", "sensorId"].into_iter().find_map(|key| item.get(key)?.as_name());
    let Some(sensor) = named.or(sensor).map(str::trim).filter(|sensor| !sensor.is_empty()) else {
        return Err(Problem::new(&place, "expected a sensor, found none"));
    };
    let Some(value) = item.get("value") else {
        return Err(Problem::new(&place, "expected a value, found none"));
    };
    Ok(Measurement {
        sensor: sensor.to_owned(),
        value: value.clone(),
        at: item.get("createdAt").cloned(),
        place,
    })
}

fn of_member(sensor: &str, node: Node) -> Result<Measurement, Problem> {
    let of =
        |value, at| Measurement { sensor: sensor.trim().to_owned(), value, at, place: sensor.to_owned() };
    match node {
        Node::List(parts) => {
            let mut parts = parts.into_iter();
            let value =
                parts.next().ok_or_else(|| Problem::new(sensor, "expected a value, found an empty array"))?;
            Ok(of(value, parts.next()))
        }
        Node::Object(_) => Err(Problem::new(sensor, "expected a value or an array, found an object")),
        value => Ok(of(value, None)),
    }
}

impl Measurements {
    /// Adds them as readings.
    ///
    /// # Errors
    /// The problem of the only one.
    pub(super) fn add(&self, written: &Written<'_>, decoded: &mut Decoded) -> Result<(), DecodeError> {
        let clock = Clock::new(written.context);
        let each = self.each.iter().map(|one| one.as_ref().map_err(Clone::clone));
        decoded.add_each(each, self.is_one, |measurement, decoded| written.add(measurement, &clock, decoded))
    }
}

impl Written<'_> {
    fn add(&self, measurement: &Measurement, clock: &Clock, decoded: &mut Decoded) -> Result<(), Problem> {
        let Measurement { sensor, value, at, place } = measurement;
        let refused = |reason: String| Problem::new(place, reason);
        let known = self.sensors.and_then(|sensors| sensors.get(sensor));
        let (metric, unit, channel) = match known {
            Some(Sensor { metric, unit, channel }) => (metric.clone(), unit.as_deref(), channel.clone()),
            None => (Name::from(sensor.as_str()), None, Name::default()),
        };
        let moment = clock.of_node(at.as_ref().filter(|at| **at != Node::Null));
        let measured = measure::Measurement {
            metric,
            raw_metric: self.context.raw_name("", sensor),
            value: value::of_node(value, &[]).map_err(refused)?,
            unit,
            moment,
        };
        if let Some(reading) = measure::reading(self.context.profile, measured).map_err(refused)? {
            decoded.push(self.device, &channel, moment.at, reading);
        }
        Ok(())
    }
}
