//! An entity and the readings of its attributes.

use event_model::Name;

use super::attribute::{self, Instance};
use super::{model, time};
use crate::decode::{Context, Decoded, Problem, Problems};
use crate::device;
use crate::json::{Node, Object};
use crate::measure::{self, Measurement};
use crate::time::{Clock, Moment};
use crate::value;
use crate::walk::{self, DUPLICATE_KEY, Field, Named, Walk};

/// What says something about the entity or when it was made, and is no attribute.
const MEMBERS: [&str; 14] = [
    "id",
    "@id",
    "type",
    "@type",
    "@context",
    "scope",
    "alterationType",
    "geometry",
    "servicePath",
    "createdAt",
    "modifiedAt",
    "dateCreated",
    "dateModified",
    "dateExpires",
];

/// The attributes that say when an entity was observed; the first that is there counts.
const TIMES: [&str; 5] = ["dateObserved", "dateObservedTo", "observedAt", "TimeInstant", "timestamp"];

/// The metrics and units of the coordinates of a GeoJSON point, in their order.
const COORDINATES: [(&str, &str); 3] = [("longitude", "lon"), ("latitude", "lat"), ("altitude", "m")];

/// The attribute that is the place of the entity itself.
const PLACE: &str = "location";

/// The shapes of GeoJSON.
const SHAPES: [&str; 6] = ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"];

/// How identifiers of datasets begin where they follow NGSI-LD's advice.
const DATASET: &str = "urn:ngsi-ld:Dataset:";

/// An entity.
pub(super) struct Entity {
    /// Its id, as it is written.
    pub(super) id: Option<String>,
    /// Its type, without the address of its vocabulary.
    kind: String,
    members: Object,
    /// Where it stands in the body.
    place: String,
}

impl Entity {
    pub(super) fn of(members: Object, place: String) -> Self {
        let member = |keys: [&str; 2]| keys.iter().find_map(|key| Some(&members.get(*key)?.node));
        let id = member(["id", "@id"]).and_then(Node::as_str);
        let id = id.filter(|id| !id.trim().is_empty()).map(str::to_owned);
        // In NGSI-LD an entity may be of several types.
        let kind = member(["type", "@type"]).and_then(|kind| kind.as_list().map_or(Some(kind), <[_]>::first));
        let kind = model::short(kind.and_then(Node::as_str).unwrap_or_default()).to_owned();
        Self { id, kind, members, place }
    }

    /// The readings of its attributes, and what describes it as tags.
    pub(super) fn read(&self, notified_at: Option<&Node>, context: Context<'_>) -> Result<Decoded, Problem> {
        let device = match &self.id {
            Some(id) => {
                device::normalise(id).map_err(|reason| Problem::within(&self.place, ".id", reason))?.into()
            }
            None => context.unnamed_device()?,
        };
        let mut decoded = Decoded::default();
        if self.members.contains_key("deletedAt") {
            return Ok(decoded);
        }
        let clock = Clock::new(context);
        let moment = self.moment(notified_at, &clock);
        let mut taken = Attributes {
            entity: self,
            device: &device,
            context,
            clock,
            moment,
            fields: Vec::new(),
            problems: Problems::default(),
        };
        taken.all()?;
        let Attributes { mut fields, problems, .. } = taken;
        walk::tell_apart(&mut fields);
        for field in fields {
            decoded.push(&device, &field.channel, field.at, field.reading);
        }
        decoded.problems.append(problems);
        self.add_tags(&device, &mut decoded);
        Ok(decoded)
    }

    /// When the entity was observed, else when the broker made the notification.
    fn moment(&self, notified_at: Option<&Node>, clock: &Clock) -> Moment {
        let observed = TIMES.iter().find_map(|key| time::plain(&self.members.get(*key)?.node));
        observed.or(notified_at).map_or_else(|| clock.received(), |node| time::moment(node, clock))
    }

    fn add_tags(&self, device: &Name, decoded: &mut Decoded) {
        let mut add = |tag: &str, value: &str| {
            let is_storable = !value.trim().is_empty() && !value.contains('\0');
            if is_storable {
                decoded.tags.push((device.clone(), tag.to_owned(), value.to_owned()));
            }
        };
        add("type", &self.kind);
        for (key, member) in &self.members {
            let name = model::short(key);
            if model::is_description(name)
                && let Some(text) = time::plain(&member.node).and_then(Node::as_str)
            {
                add(name, text);
            }
        }
    }
}

/// The attributes of one entity, as they are read.
struct Attributes<'a, 'n> {
    entity: &'n Entity,
    device: &'a Name,
    context: Context<'a>,
    clock: Clock,
    moment: Moment,
    fields: Vec<Field<'n>>,
    problems: Problems,
}

/// An instance of an attribute, where it stands, and when it was measured.
struct Value<'n> {
    name: &'n str,
    instance: Instance<'n>,
    moment: Moment,
    /// The channel before the path within the value.
    channel: String,
    /// Its place within the entity.
    path: String,
    repeated: bool,
}

impl<'n> Attributes<'_, 'n> {
    /// Whether there are more readings and problems than one object may hold: there is no use in more of it.
    fn is_too_much(&self) -> bool {
        self.fields.len() + self.problems.count() > self.context.profile.reading_limit()
    }

    fn all(&mut self) -> Result<(), Problem> {
        for (key, member) in &self.entity.members {
            let name = model::short(key);
            if MEMBERS.contains(&key.as_str()) || TIMES.contains(&name) || model::is_description(name) {
                continue;
            }
            if let Err(reason) = measure::bounded("metric", name) {
                self.problems.note(|| Problem::within(&self.entity.place, &format!(".{name}"), reason));
                continue;
            }
            for instance in attribute::instances(&member.node) {
                self.instance(name, instance, member.repeated)?;
                if self.is_too_much() {
                    return Err(walk::too_many(self.context.profile, &self.entity.place));
                }
            }
        }
        Ok(())
    }

    fn instance(&mut self, name: &'n str, instance: Instance<'n>, repeated: bool) -> Result<(), Problem> {
        let moment = instance.observed_at.map_or(self.moment, |at| time::moment(at, &self.clock));
        let dataset = instance.dataset.map(|id| device::channel(id.strip_prefix(DATASET).unwrap_or(id)));
        let position = instance.index.map_or_else(String::new, |index| format!("[{index}]"));
        let path = format!(".{name}{position}{}", instance.path);
        let channel = dataset.map_or_else(String::new, |dataset| dataset.to_string());
        let of = Value { name, instance, moment, channel, path, repeated };
        self.value(&of)
    }

    fn value(&mut self, of: &Value<'n>) -> Result<(), Problem> {
        match of.instance.value {
            Node::Text(text) if of.instance.is_point || of.name == PLACE && is_pair(text) => {
                self.point(of, text);
            }
            Node::Text(_) if model::is_reference(of.name) => {}
            Node::Object(_) if is_shape(of.instance.value) => self.shape(of),
            Node::Object(object) => self.object(of, object, of.name)?,
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if self.is_too_much() {
                        break;
                    }
                    match item {
                        Node::Object(object) => self.object(of, object, &format!("{}.{index}", of.name))?,
                        item => self.scalar(of, item, &index.to_string()),
                    }
                }
            }
            node => self.scalar(of, node, ""),
        }
        Ok(())
    }

    /// The values within a structured one.
    fn object(&mut self, of: &Value<'n>, object: &'n Object, below: &str) -> Result<(), Problem> {
        let place = format!("{}{}", self.entity.place, of.path);
        let walk = Walk {
            channel: &joined(&of.channel, &device::channel(below)),
            raw_prefix: &format!("{below}."),
            place_prefix: &format!("{}.", place.trim_start_matches('.')),
            flags: if of.repeated { &[DUPLICATE_KEY] } else { &[] },
            name: &|_, key| if matches!(key, "type" | "@type") { Named::Skip } else { Named::by_table(key) },
            ..Walk::by_table(self.context, self.device, of.moment)
        };
        let fields = walk.fields(object, &mut self.problems)?;
        self.fields.extend(fields);
        Ok(())
    }

    fn scalar(&mut self, of: &Value<'n>, node: &Node, index: &str) {
        let kind = self.entity.kind.as_str();
        let stated = of.instance.unit;
        if model::is_unknown(kind, of.name, node) {
            return;
        }
        let Named::Metric { metric, unit, .. } = model::name_field(kind, of.name) else { return };
        let unit = match stated {
            _ if model::is_fraction(kind, of.name, node, stated) => Some(Name::known("/")),
            Some(stated) => Some(stated.into()),
            None => unit,
        };
        let channel = joined(&of.channel, index);
        self.reading(of, node, (metric, unit), channel.as_str().into());
    }

    fn reading(&mut self, of: &Value<'n>, node: &Node, (metric, unit): (Name, Option<Name>), channel: Name) {
        let context = self.context;
        let reading = value::of_node(node, &[]).and_then(|value| {
            let measurement = Measurement {
                metric,
                raw_metric: context.raw_name("", of.name),
                value,
                unit: unit.as_deref(),
                moment: of.moment,
            };
            measure::reading(context.profile, measurement)
        });
        match reading {
            Ok(Some(mut reading)) => {
                if of.repeated {
                    reading.flags.push(DUPLICATE_KEY);
                }
                self.fields.push(Field { key: of.name, channel, at: of.moment.at, reading });
            }
            Ok(None) => {}
            Err(reason) => {
                let place = format!("{}{}", self.entity.place, of.path);
                self.problems.note(|| Problem::new(place.trim_start_matches('.'), reason));
            }
        }
    }

    /// A point of GeoJSON. Of other shapes no single place is measured.
    fn shape(&mut self, of: &Value<'n>) {
        let shape = of.instance.value;
        let is_point = shape.get("type").and_then(Node::as_str) == Some("Point");
        let coordinates = shape.get("coordinates").and_then(Node::as_list).filter(|_| is_point);
        for (coordinate, (metric, unit)) in coordinates.into_iter().flatten().zip(COORDINATES) {
            self.coordinate(of, coordinate, metric, unit);
        }
    }

    /// `geo:point`: latitude and longitude, with a comma between them.
    fn point(&mut self, of: &Value<'n>, text: &str) {
        let Some((latitude, longitude)) = text.split_once(',') else {
            let place = format!("{}{}", self.entity.place, of.path);
            let reason = "expected latitude and longitude with a comma between them";
            return self.problems.note(|| Problem::new(place.trim_start_matches('.'), reason));
        };
        for (text, (metric, unit)) in [(longitude, COORDINATES[0]), (latitude, COORDINATES[1])] {
            self.coordinate(of, &Node::Text(text.trim().into()), metric, unit);
        }
    }

    /// The place of the entity itself has no channel; another one is below its attribute.
    fn coordinate(&mut self, of: &Value<'n>, node: &Node, metric: &'static str, unit: &'static str) {
        let below = if of.name == PLACE { "" } else { of.name };
        let channel = device::channel(&joined(&of.channel, below));
        self.reading(of, node, (Name::known(metric), Some(Name::known(unit))), channel);
    }
}

fn is_shape(node: &Node) -> bool {
    node.get("type").and_then(Node::as_str).is_some_and(|kind| SHAPES.contains(&kind))
        && node.get("coordinates").is_some()
}

/// Two numbers with a comma between them.
fn is_pair(text: &str) -> bool {
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    text.split_once(',').is_some_and(|(first, second)| is_number(first) && is_number(second))
}

/// A channel and what lies below it.
fn joined(channel: &str, below: &str) -> String {
    let separator = if channel.is_empty() || below.is_empty() { "" } else { "." };
    [channel, separator, below].concat()
}
