//! The normalised payload: The Things Stack's own schema, whose units are fixed.
//!
//! Source: The Things Stack documentation, "Payload Formatters: Normalized Payload", and the schema
//! `lib/payload.json` of TheThingsNetwork/lorawan-devices.

use std::borrow::Cow;
use std::collections::HashSet;

use event_model::Name;
use jiff::Timestamp;

use super::Frame;
use crate::decode::{Decoded, Problem};
use crate::device;
use crate::json::{Node, Object};
use crate::time::Clock;
use crate::walk::{Named, Walk};

/// A field by its group and name: our metric and the schema's unit.
#[rustfmt::skip]
const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("", "battery", "battery_voltage", "V"),
    ("air", "temperature", "temperature", "Cel"),
    ("air", "relativeHumidity", "relative_humidity", "%RH"),
    ("air", "pressure", "pressure", "hPa"),
    ("air", "co2", "co2", "ppm"),
    ("air", "lightIntensity", "illuminance", "lx"),
    ("wind", "speed", "wind_speed", "m/s"),
    ("wind", "direction", "wind_direction", "deg"),
    ("soil", "depth", "depth", "cm"),
    ("soil", "moisture", "soil_moisture", "%"),
    ("soil", "temperature", "soil_temperature", "Cel"),
    ("soil", "ec", "soil_ec", "dS/m"),
    ("soil", "pH", "ph", "pH"),
    ("soil", "n", "nitrogen", "ppm"),
    ("soil", "p", "phosphorus", "ppm"),
    ("soil", "k", "potassium", "ppm"),
    ("rain", "intensity", "rain_rate", "mm/h"),
    ("rain", "cumulative", "rain_total", "mm"),
    ("water.temperature", "min", "temperature_min", "Cel"),
    ("water.temperature", "max", "temperature_max", "Cel"),
    ("water.temperature", "avg", "temperature_avg", "Cel"),
    ("water.temperature", "current", "temperature", "Cel"),
    ("metering.water", "total", "water_total", "l"),
    ("position", "latitude", "latitude", "lat"),
    ("position", "longitude", "longitude", "lon"),
];

/// Names a field of the schema; a name that is not in it goes by the table.
fn name_field(parents: &[Cow<'_, str>], key: &str) -> Named {
    if key == "time" && parents.is_empty() {
        return Named::Skip;
    }
    let is_in = |group: &str| {
        group.split('.').filter(|key| !key.is_empty()).eq(parents.iter().map(|parent| &**parent))
    };
    match FIELDS.iter().find(|(group, name, ..)| *name == key && is_in(group)) {
        Some((_, _, metric, unit)) => {
            Named::Metric { metric: Name::known(metric), unit: Some(Name::known(unit)), part: None }
        }
        None => Named::by_table(key),
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
    /// Adds a normalised payload, one measurement or a list of them, that stands at `path` below `place`.
    ///
    /// # Errors
    /// As [`Frame::add`].
    pub(in crate::formats) fn add_normalised(
        &self,
        payload: Option<&Node>,
        (place, path): (&str, &str),
        decoded: &mut Decoded,
    ) -> Result<(), Problem> {
        match payload {
            None => Ok(()),
            Some(Node::Object(measurement)) => {
                let at = Measurement { place, path, index: 0 };
                self.measurement(measurement, &at, &mut HashSet::new(), decoded)
            }
            Some(Node::List(measurements)) => {
                let mut seen = HashSet::new();
                measurements.iter().enumerate().try_for_each(|(index, node)| {
                    let path = format!("{path}[{index}]");
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
                decoded.problems.push(Problem::new(format!("{place}{path}"), reason));
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
    ) -> Result<(), Problem> {
        let Measurement { place, path, index } = at;
        // A measurement that the device took before it sent the frame has a time of its own.
        let own_time = measurement.get("time").map(|member| &member.node).filter(|node| **node != Node::Null);
        let moment = own_time.map_or(self.moment, |time| Clock::new(self.context).of_node(Some(time)));
        let walk = Walk {
            raw_prefix: &format!("{path}."),
            place_prefix: &format!("{place}{path}."),
            name: &name_field,
            ..Walk::by_table(self.context, self.device, moment)
        };
        for field in walk.fields(measurement, &mut decoded.problems)? {
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
