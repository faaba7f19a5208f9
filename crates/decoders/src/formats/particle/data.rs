//! An event's data: JSON in a text, JSON, or a single value under the event's name.

use std::borrow::Cow;

use event_model::Name;

use super::envelope::{DATA, Envelope, is_envelope};
use crate::decode::{Context, Decoded, Problem};
use crate::device::MAX_RAW_BYTES;
use crate::json::{Member, Node, Object};
use crate::measure::{self, Measurement};
use crate::names;
use crate::time::Moment;
use crate::value::{self, Scalar};
use crate::walk::{Named, Walk};

/// The flag of a text that begins as JSON and is none: `{"t":nan}`, which `String::format("%f", NAN)` writes.
pub(super) const NOT_JSON: &str = "not_json";

/// What readings of one event have in common.
pub(super) struct Readings<'a> {
    pub(super) context: Context<'a>,
    pub(super) device: &'a Name,
    pub(super) moment: Moment,
    /// The event's name.
    pub(super) event: Option<&'a str>,
    /// What stands before the event's fields.
    pub(super) place: &'a str,
}

impl Readings<'_> {
    /// The event's data, and the fields of a user's template beside it.
    pub(super) fn add(&self, event: &Envelope<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
        let name = |parents: &[Cow<'_, str>], key: &str| {
            let outermost = parents.first().map_or(key, |first| &**first);
            if is_envelope(outermost) { Named::Skip } else { named(parents, key) }
        };
        self.walk(event.fields, self.place, &name, decoded)?;
        match event.data {
            None => Ok(()),
            Some(Node::Text(text)) => self.text(text, decoded),
            Some(node) => self.node(node, decoded),
        }
    }

    fn walk(
        &self,
        object: &Object,
        place: &str,
        name: &dyn Fn(&[Cow<'_, str>], &str) -> Named,
        decoded: &mut Decoded,
    ) -> Result<(), Problem> {
        let walk =
            Walk { place_prefix: place, name, ..Walk::by_table(self.context, self.device, self.moment) };
        walk.add(object, decoded)
    }

    /// Data as a device published it.
    fn text(&self, text: &str, decoded: &mut Decoded) -> Result<(), Problem> {
        if !text.trim_start().starts_with(['{', '[']) {
            return self.single(value::of_text(text, &[]), None, decoded);
        }
        let read = Node::parse(text.as_bytes());
        match read.or_else(|error| unescaped(text).map_or(Err(error), |text| Node::parse(text.as_bytes()))) {
            Ok(node) => self.node(&node, decoded),
            Err(_) => self.single(Scalar::Text(text.replace('\0', "")), Some(NOT_JSON), decoded),
        }
    }

    fn node(&self, node: &Node, decoded: &mut Decoded) -> Result<(), Problem> {
        let place = format!("{}{DATA}", self.place);
        match node {
            Node::Object(object) => {
                let (values, place) = match of_telegraf(object) {
                    Some((values, tags)) => {
                        self.tag(tags, decoded);
                        (values, format!("{place}.values."))
                    }
                    None => (&**object, format!("{place}.")),
                };
                self.walk(values, &place, &named, decoded)
            }
            Node::List(_) => {
                // The elements are of the event's name; each has its index as its channel.
                let mut object = Object::default();
                let member = Member { node: node.clone(), repeated: false };
                object.insert(self.event.unwrap_or(DATA).into(), member);
                self.walk(&object, self.place, &named, decoded)
            }
            other => {
                let value = value::of_node(other, &[]).map_err(|reason| Problem::new(place, reason))?;
                self.single(value, None, decoded)
            }
        }
    }

    /// One value under the event's name.
    fn single(
        &self,
        value: Scalar,
        doubt: Option<&'static str>,
        decoded: &mut Decoded,
    ) -> Result<(), Problem> {
        let refused = |reason| Problem::new(format!("{}{DATA}", self.place), reason);
        let event = self.event.unwrap_or(DATA);
        let metric = names::metric(names::cut(event, MAX_RAW_BYTES));
        let (context, moment) = (self.context, self.moment);
        let raw_metric = context.raw_name("", event);
        let measurement = Measurement { metric, raw_metric, value, unit: None, moment };
        let Some(mut reading) = measure::reading(context.profile, measurement).map_err(refused)? else {
            return Ok(());
        };
        doubt.into_iter().for_each(|flag| measure::doubt(&mut reading, flag));
        decoded.push(self.device, &Name::default(), moment.at, reading);
        Ok(())
    }

    fn tag(&self, tags: &Object, decoded: &mut Decoded) {
        for (tag, member) in tags {
            if let Some(value) = member.node.as_name() {
                decoded.tags.push((self.device.clone(), tag.to_string(), value.to_owned()));
            }
        }
    }
}

/// What Mustache writes in the place of characters of HTML, where a template has a variable in two braces and not in three.
const ESCAPES: [(&str, &str); 6] =
    [("&quot;", "\""), ("&#39;", "'"), ("&#x2F;", "/"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];

/// A text without the escapes of HTML; `None` where it has no quote of those, without which it is no JSON.
fn unescaped(text: &str) -> Option<String> {
    let unescape = |text: String, (escape, character): &(&str, &str)| text.replace(escape, character);
    text.contains("&quot;").then(|| ESCAPES.iter().fold(text.to_owned(), unescape))
}

/// The values and tags of `{"tags": {...}, "values": {...}}`, the form of Telegraf's webhook for Particle.
fn of_telegraf(object: &Object) -> Option<(&Object, &Object)> {
    let (values, tags) = (object.get("values")?, object.get("tags")?);
    (object.len() == 2).then_some((values.node.as_object()?, tags.node.as_object()?))
}

/// Names a field; a position is no reading.
fn named(_parents: &[Cow<'_, str>], key: &str) -> Named {
    let is_position = ["lat", "lng", "lon", "latitude", "longitude"];
    if is_position.iter().any(|part| key.eq_ignore_ascii_case(part)) {
        return Named::Skip;
    }
    Named::by_table(key)
}
