//! Points: what a driver of IoT Flow has in common with other drivers, each with its unit.
//!
//! Source: Actility, "IoT Flow JavaScript driver developer guide", "Point" and "Uplink"; the example of an uplink in
//! ThingPark X's documentation, "Creating a Modbus connection".

use std::collections::HashSet;

use event_model::{Name, Reading};
use jiff::Timestamp;

use super::report::Report;
use crate::decode::{Decoded, Problem, Problems};
use crate::formats::lorawan::{self, Frame};
use crate::json::{Node, Object};
use crate::measure::{self, Measurement};
use crate::names;
use crate::time::{Clock, Moment};
use crate::value;
use crate::walk::{self, Named, Part};

/// What stands for the unit of a place: longitude, latitude and perhaps the altitude in metres.
const PLACE: &str = "GPS";

/// The metrics and units of a place's coordinates, in their order.
const COORDINATES: [(&str, &str); 3] = [("longitude", "lon"), ("latitude", "lat"), ("altitude", "m")];

/// Adds the readings of all points.
///
/// # Errors
/// The problem, where there are more than one object may hold.
pub(super) fn add(frame: &Frame<'_>, report: &Report, decoded: &mut Decoded) -> Result<(), Problem> {
    let place = format!("{}points", report.place);
    let points = match report.get("points") {
        None => return Ok(()),
        Some(Node::Object(points)) => points,
        Some(other) => {
            let reason = format!("expected an object, found {}", other.kind());
            decoded.problems.push(Problem::new(place, reason));
            return Ok(());
        }
    };
    let mut taken = Points { frame, place: &place, readings: Vec::new(), problems: Problems::default() };
    taken.all(points)?;
    for (channel, at, reading) in taken.readings {
        decoded.push(frame.device, &channel, at, reading);
    }
    decoded.problems.append(taken.problems);
    Ok(())
}

/// A point: its name in the report, its metric, its part of the device, and its unit.
struct Point<'n> {
    name: &'n str,
    metric: Name,
    channel: Name,
    unit: Option<&'n str>,
}

/// The points of one frame.
struct Points<'a> {
    frame: &'a Frame<'a>,
    place: &'a str,
    /// Each with its channel and time.
    readings: Vec<(Name, Timestamp, Reading)>,
    problems: Problems,
}

impl Points<'_> {
    /// Whether there are more readings and problems than one object may hold: there is no use in more of it.
    fn is_too_much(&self) -> bool {
        self.readings.len() + self.problems.count() > self.frame.context.profile.reading_limit()
    }

    fn all(&mut self, points: &Object) -> Result<(), Problem> {
        let mut series = HashSet::new();
        for (name, member) in points {
            let Named::Metric { metric, part, .. } = lorawan::name_field(&[], name) else { continue };
            if let Err(reason) = measure::bounded("metric", name) {
                self.problems.note(|| Problem::within(self.place, &format!(".{name}"), reason));
                continue;
            }
            let unit = member.node.get("unitId").and_then(Node::as_str);
            let channel = match part {
                Some(Part::Below(part) | Part::Beside(part)) => part.into(),
                Some(Part::Above) | None => Name::default(),
            };
            let mut metric = if name == "co2Level" { Name::known("co2") } else { metric };
            // Of two points that the table knows under one name the later keeps its own.
            if !series.insert((channel.clone(), metric.clone())) {
                metric = names::snake_case(name).into();
            }
            self.point(&Point { name, metric, channel, unit }, &member.node);
            if self.is_too_much() {
                return Err(walk::too_many(self.frame.context.profile, self.place));
            }
        }
        Ok(())
    }

    /// A point has one `record`, or `records` with a time each.
    fn point(&mut self, point: &Point<'_>, node: &Node) {
        if let Some(record) = node.get("record") {
            return self.record(point, record, "record");
        }
        for (index, record) in node.get("records").and_then(Node::as_list).into_iter().flatten().enumerate() {
            if self.is_too_much() {
                return;
            }
            self.record(point, record, &format!("records[{index}]"));
        }
    }

    fn record(&mut self, point: &Point<'_>, record: &Node, key: &str) {
        let moment = self.frame.moment;
        match (record.get("value"), record) {
            (Some(value), _) => {
                let time = record.get("eventTime");
                let own = time.map(|time| Clock::new(self.frame.context).of_node(Some(time)));
                self.value(point, value, own.unwrap_or(moment), key);
            }
            (None, record) => self.value(point, record, moment, key),
        }
    }

    fn value(&mut self, point: &Point<'_>, value: &Node, moment: Moment, key: &str) {
        let path = format!("{}.{key}", point.name);
        match value {
            Node::List(coordinates) if point.unit == Some(PLACE) => {
                for (coordinate, (metric, unit)) in coordinates.iter().zip(COORDINATES) {
                    let point = Point {
                        metric: Name::known(metric),
                        channel: point.channel.clone(),
                        unit: Some(unit),
                        ..*point
                    };
                    self.one(&point, coordinate, moment, &path);
                }
            }
            other => self.one(point, other, moment, &path),
        }
    }

    fn one(&mut self, point: &Point<'_>, value: &Node, moment: Moment, path: &str) {
        let context = self.frame.context;
        let reading = value::of_node(value, &[]).and_then(|value| {
            let measurement = Measurement {
                metric: point.metric.clone(),
                raw_metric: context.raw_name("points.", path),
                value,
                unit: point.unit.filter(|unit| !unit.is_empty()),
                moment,
            };
            measure::reading(context.profile, measurement)
        });
        match reading {
            Ok(Some(reading)) => self.readings.push((point.channel.clone(), moment.at, reading)),
            Ok(None) => {}
            Err(reason) => {
                let place = self.place;
                self.problems.note(|| Problem::within(place, &format!(".{path}"), reason));
            }
        }
    }
}
