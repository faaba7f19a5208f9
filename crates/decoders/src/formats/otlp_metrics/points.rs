//! From points to readings.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use event_model::{Name, Reading, Value, units};
use jiff::Timestamp;

use super::attributes::{self, Attribute, Says, device_rank};
use super::metric::{Kind, Metric, Place, Visit, member};
use super::named;
use super::options::Attributes;
use crate::decode::{Context, Decoded, Problem};
use crate::json::Node;
use crate::overwritten::Position;
use crate::time::{Clock, Moment};
use crate::value::{self, Scalar};
use crate::{device, measure};

/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`: the series has ended for now, and the point has no value.
const NO_RECORDED_VALUE: u64 = 1;

/// Which reading a point gives: device, channel, metric and time.
type Key = (Name, Name, Name, Timestamp);

/// The point that gave a reading, its attributes, and where the reading is.
struct Origin {
    place: Place,
    attributes: Rc<str>,
    position: Position,
}

/// Takes the points of one request, one after the other.
pub(super) struct Points<'a> {
    context: Context<'a>,
    clock: Clock,
    names: Attributes,
    resource: Says,
    /// Where each reading so far came from.
    seen: HashMap<Key, Origin>,
    /// The points of which it was said that another takes their place.
    reported: HashSet<Place>,
    overwritten: HashSet<Position>,
    tags: HashSet<(Name, String, String)>,
    decoded: Decoded,
}

impl<'a> Points<'a> {
    pub(super) fn new(context: Context<'a>) -> Self {
        Self {
            context,
            clock: Clock::new(context),
            names: named(context.profile),
            resource: Says::default(),
            seen: HashMap::new(),
            reported: HashSet::new(),
            overwritten: HashSet::new(),
            tags: HashSet::new(),
            decoded: Decoded::default(),
        }
    }

    /// What all points came to.
    pub(super) fn finish(mut self) -> Decoded {
        self.decoded.leave_out(&self.overwritten);
        self.decoded
    }

    fn add(&mut self, metric: &Metric<'_>, point: &Node, place: Place) -> Result<(), String> {
        if is_without_value(point) {
            return Ok(());
        }
        let list: Vec<_> = attributes::all(point.get("attributes")).collect();
        let says = Says::of(list.iter(), &self.names);
        let (rank, device) = self.device(&says)?;
        let channel = device::channel(&says.channel(&self.resource));
        let moment = self.moment(point);
        let values = values(metric.kind, point)?;
        if values.len() > self.context.profile.reading_limit() {
            return Err(format!("more than {} readings in one point", self.context.profile.reading_limit()));
        }
        let attributes = self.keep_tags(&device, &list, rank);
        for (suffix, node) in values {
            let reading = match self.reading(metric, (&suffix, node), moment) {
                Ok(Some(reading)) => reading,
                Ok(None) => continue,
                Err(reason) => {
                    self.problem(place, reason);
                    continue;
                }
            };
            let key = (device.clone(), channel.clone(), reading.metric.clone(), moment.at);
            self.decoded.push(&device, &channel, moment.at, reading);
            if self.decoded.is_full() {
                return Ok(());
            }
            self.note_overwritten(place, &attributes, key);
        }
        Ok(())
    }

    /// The device, and the place of the key that names it.
    fn device(&self, says: &Says) -> Result<(Option<usize>, Name), String> {
        match says.device(&self.resource) {
            Some((rank, name)) => Ok((Some(rank), device::normalise(name)?.into())),
            None => Ok((None, self.context.unnamed_device().map_err(|problem| problem.reason)?)),
        }
    }

    /// The point's time; 0 is none (`metrics.proto`, `time_unix_nano`).
    fn moment(&self, point: &Node) -> Moment {
        let time = member(point, ["timeUnixNano", "time_unix_nano"]);
        self.clock.of_node(time.filter(|time| time.as_name() != Some("0")))
    }

    /// A value of a point, under the name and in the unit of its metric.
    fn reading(
        &self,
        metric: &Metric<'_>,
        (suffix, node): (&str, &Node),
        moment: Moment,
    ) -> Result<Option<Reading>, String> {
        let number = match value::of_node(node, &[])? {
            Scalar::Number { value, unit: None, .. } => value,
            Scalar::Missing => return Ok(None),
            other => return Err(format!("expected a number, found {}", other.kind())),
        };
        measure::bounded("metric", metric.name)?;
        if metric.name.is_empty() {
            return Err("the metric has no name".to_owned());
        }
        let name = if suffix.is_empty() { metric.name.into() } else { format!("{}.{suffix}", metric.name) };
        measure::bounded("metric", &name)?;
        let (number, unit) = self.in_unit(number, metric, suffix, &name)?;
        let mut reading = Reading {
            raw_metric: self.context.raw_name("", &name),
            metric: name.into(),
            value: Value::Number(number),
            unit,
            quality: moment.quality,
            flags: moment.flag.into_iter().collect(),
        };
        measure::doubt_if_impossible(&mut reading);
        Ok(Some(reading))
    }

    /// The unit as it is written: with the name it says which instrument it is. Where there is none, the source may state one.
    fn in_unit(
        &self,
        number: f64,
        metric: &Metric<'_>,
        suffix: &str,
        name: &str,
    ) -> Result<(f64, Option<Name>), String> {
        let unit = if suffix == "count" { "" } else { metric.unit.trim() };
        if !unit.is_empty() {
            measure::bounded("unit", unit)?;
            return Ok((number, Some(unit.into())));
        }
        let Some(unit) = self.context.profile.units.get(name) else { return Ok((number, None)) };
        Ok(match units::canonical(number, unit, name) {
            Some((number, unit)) => (number, Some(Name::known(unit))),
            None => (number, Some(unit.as_str().into())),
        })
    }

    /// Keeps the attributes that do not name the device as its tags, and returns them as one text.
    fn keep_tags(&mut self, device: &Name, list: &[Attribute<'_>], rank: Option<usize>) -> Rc<str> {
        let is_device = |key: &str| rank.is_some() && device_rank(key, &self.names) == rank;
        let mut others: Vec<_> = list
            .iter()
            .filter(|attribute| !is_device(attribute.key))
            .map(|attribute| (attribute.key, attribute.value.as_str()))
            .collect();
        others.sort_unstable();
        for (key, value) in &others {
            let tag = (device.clone(), (*key).to_owned(), (*value).to_owned());
            if self.tags.insert(tag.clone()) {
                self.decoded.tags.push(tag);
            }
        }
        others.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>().into()
    }

    /// Reports a point that another takes the place of, although its attributes are others.
    fn note_overwritten(&mut self, place: Place, attributes: &Rc<str>, key: Key) {
        let Some(position) = self.decoded.last_position() else { return };
        let origin = Origin { place, attributes: Rc::clone(attributes), position };
        let Some(earlier) = self.seen.insert(key, origin) else { return };
        // Two points of one series are what every format reports.
        if earlier.attributes == *attributes {
            return;
        }
        self.overwritten.insert(earlier.position);
        if self.reported.insert(earlier.place) {
            let reason = format!(
                "{place} has the same device, channel, metric and time, and only its attributes are others; name the \
                 attribute that tells them apart in the source's channel_attributes or device_attributes"
            );
            self.decoded.problems.note(|| Problem::new(earlier.place.to_string(), reason));
        }
    }
}

impl Visit for Points<'_> {
    /// The attributes of a resource are tags of the device that it names.
    fn resource(&mut self, list: Option<&Node>) {
        let all: Vec<_> = attributes::all(list).collect();
        self.resource = Says::of(all.iter(), &self.names);
        if let Ok((rank, device)) = self.device(&Says::default()) {
            self.keep_tags(&device, &all, rank);
        }
    }

    fn point(&mut self, metric: &Metric<'_>, point: &Node, place: Place) {
        if let Err(reason) = self.add(metric, point, place) {
            self.problem(place, reason);
        }
    }

    fn problem(&mut self, place: Place, reason: String) {
        self.decoded.problems.note(|| Problem::new(place.to_string(), reason));
    }

    fn is_done(&self) -> bool {
        self.decoded.is_full()
    }
}

/// Whether the point says that nothing was recorded.
fn is_without_value(point: &Node) -> bool {
    let flags = point.get("flags").and_then(Node::as_name).and_then(|flags| flags.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & NO_RECORDED_VALUE != 0)
}

/// The values of a point, each with what stands behind the metric's name.
fn values(kind: Kind, point: &Node) -> Result<Vec<(String, &Node)>, String> {
    let field = |suffix: &str| Some((suffix.to_owned(), point.get(suffix)?));
    match kind {
        Kind::Gauge | Kind::Sum => {
            let value = member(point, ["asDouble", "as_double"]).or(member(point, ["asInt", "as_int"]));
            Ok(value.map(|value| (String::new(), value)).into_iter().collect())
        }
        Kind::Histogram | Kind::ExponentialHistogram => {
            Ok(["count", "sum", "min", "max"].into_iter().filter_map(field).collect())
        }
        Kind::Summary => {
            let mut values: Vec<_> = ["count", "sum"].into_iter().filter_map(field).collect();
            let quantiles = member(point, ["quantileValues", "quantile_values"]).and_then(Node::as_list);
            for quantile in quantiles.unwrap_or_default() {
                // A value of 0 is left out of JSON, as is the quantile 0.
                let at = quantile.get("quantile").map_or(Some("0"), Node::as_name);
                let at = at.filter(|at| at.parse::<f64>().is_ok_and(|at| (0.0..=1.0).contains(&at)));
                let at = at.ok_or("a quantile is no number from 0 to 1")?;
                if let Some(value) = quantile.get("value") {
                    values.push((format!("quantile_{at}"), value));
                }
            }
            Ok(values)
        }
    }
}
