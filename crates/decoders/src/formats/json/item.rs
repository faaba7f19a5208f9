//! One item of a payload: who measured, when, and what.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use event_model::Name;

use crate::decode::{Context, Decoded, Problem};
use crate::device::{self, MAX_RAW_BYTES};
use crate::json::{Node, Object, unescaped};
use crate::mapping::Mapping;
use crate::names;
use crate::time::{Clock, Moment, RECEIVED};
use crate::walk::{DUPLICATE_KEY, Named, Walk};

use super::body::{Place, dotted};
use super::mapped::Mapped;

/// The keys of an item that say who and when where no mapping does: lower case, letters and digits only, the first
/// that is present wins.
pub(in crate::formats) struct Usual {
    pub(in crate::formats) device: &'static [&'static str],
    pub(in crate::formats) time: &'static [&'static str],
    /// The keys of an item that say something about the message, and hold no reading.
    pub(in crate::formats) about: fn(&Object) -> &'static [&'static str],
}

/// The longest spelling of a usual key that is looked at.
const MAX_USUAL_BYTES: usize = 64;

/// What was read from values that all items of a body share, by the value: each is read once.
#[derive(Default)]
pub(super) struct Shared {
    devices: RefCell<HashMap<*const Node, Result<Name, &'static str>>>,
    channels: RefCell<HashMap<*const Node, Name>>,
    moments: RefCell<HashMap<*const Node, Moment>>,
}

/// An item with all that tells how to read it.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) root: &'a Node,
    pub(super) node: &'a Node,
    pub(super) place: &'a Place,
    pub(super) mapping: Option<&'a Mapping>,
    pub(super) usual: &'a Usual,
    /// The device, where the envelope around the payload names it.
    pub(super) device: Option<&'a Name>,
    /// The time of an item that has none of its own, where it is not the receive time.
    pub(super) time: Option<Moment>,
    pub(super) shared: &'a Shared,
}

/// A value that says something about the item.
pub(super) struct Located<'a> {
    pub(super) node: &'a Node,
    /// Where it is, as a pointer.
    pointer: Cow<'a, str>,
    /// It stands at the root, for other items too.
    pub(super) is_shared: bool,
    /// A key on the way to it was repeated.
    pub(super) repeated: bool,
}

/// The device of an item.
pub(super) struct Device<'a> {
    pub(super) name: Name,
    pointer: Option<Cow<'a, str>>,
    repeated: bool,
}

impl Located<'_> {
    /// What `read` makes of the value; once, where items share it.
    fn once<T: Clone>(&self, known: &RefCell<HashMap<*const Node, T>>, read: impl FnOnce(&Node) -> T) -> T {
        if !self.is_shared {
            return read(self.node);
        }
        let mut known = known.borrow_mut();
        known.entry(std::ptr::from_ref(self.node)).or_insert_with(|| read(self.node)).clone()
    }
}

impl<'a> Item<'a> {
    /// Adds the item's readings and its problems; an `Err` takes the whole item out.
    pub(super) fn add(
        &self,
        context: Context<'_>,
        clock: &Clock,
        decoded: &mut Decoded,
    ) -> Result<(), Problem> {
        let place = self.place.to_string();
        let object = self.node.as_object();
        if !self.is_one() {
            let place = place.trim_end_matches(['.', ' ', ',']);
            return Err(Problem::new(place, format!("expected an object, found {}", self.node.kind())));
        }
        let device = self.device(|| context.unnamed_device())?;
        let name = self.device.cloned().unwrap_or(device.name);
        let time = self.stated_time();
        let own = match &time {
            Some(time) => time.once(&self.shared.moments, |node| clock.of_node(Some(node))),
            None => clock.received(),
        };
        let moment = self.time.filter(|_| own.flag == Some(RECEIVED)).unwrap_or(own);
        let repeated = device.repeated || time.as_ref().is_some_and(|time| time.repeated);
        let flags: &[_] = if repeated { &[DUPLICATE_KEY] } else { &[] };
        if let Some(mapping) = self.mapping.filter(|mapping| !mapping.metrics.is_empty()) {
            let (item, place, device) = (*self, place.as_str(), &name);
            return Mapped { item, place, mapping, context, device, moment, flags }.add(decoded);
        }
        let Some(object) = object else { return Ok(()) };
        let mut taken: Vec<Cow<'_, str>> = self.named_in_mapping();
        taken.extend(device.pointer);
        taken.extend(time.map(|time| time.pointer));
        let about = (self.usual.about)(object);
        let name_field = |parents: &[Cow<'_, str>], key: &str| {
            let is_about = about.contains(&parents.first().map_or(key, |first| first));
            if is_about || taken.iter().any(|pointer| points_to(pointer, parents, key)) {
                Named::Skip
            } else {
                Named::by_table(key)
            }
        };
        let walk = Walk {
            context,
            device: &name,
            channel: &self.own_channel(),
            moment,
            raw_prefix: "",
            place_prefix: &place,
            flags,
            missing: self.mapping.map_or(&[][..], |mapping| &mapping.missing),
            reads_quantities: false,
            name: &name_field,
        };
        walk.add(object, decoded)
    }

    /// Whether it is an object, or a value of another kind that the mapping takes as a whole.
    pub(super) fn is_one(&self) -> bool {
        self.node.as_object().is_some() || self.mapping.is_some_and(Mapping::takes_all)
    }

    /// The channel at a pointer; empty where nothing is there.
    pub(super) fn channel(&self, pointer: &'a str) -> Name {
        let read = |node: &Node| device::channel(node.as_name().unwrap_or_default());
        let located = self.locate(pointer);
        located.map_or_else(Name::default, |located| located.once(&self.shared.channels, read))
    }

    /// The channel that the mapping gives all metrics.
    pub(super) fn own_channel(&self) -> Name {
        let pointer = self.mapping.and_then(|mapping| mapping.channel.as_deref());
        pointer.map_or_else(Name::default, |pointer| self.channel(pointer))
    }

    /// What a mapping without metrics points at is no reading, whether it was taken or not.
    fn named_in_mapping(&self) -> Vec<Cow<'a, str>> {
        let Some(mapping) = self.mapping else { return Vec::new() };
        let single = [&mapping.channel, &mapping.message_id].into_iter().flatten();
        mapping.device.iter().chain(&mapping.time).chain(single).map(Into::into).collect()
    }

    /// The device: what the mapping or a usual key names, else the envelope, else `unnamed`.
    pub(super) fn device(
        &self,
        unnamed: impl FnOnce() -> Result<Name, Problem>,
    ) -> Result<Device<'a>, Problem> {
        let pointers = self.mapping.map_or(&[][..], |mapping| &mapping.device);
        let Some(found) = self.first(pointers, self.usual.device) else {
            let name = self.device.cloned().map_or_else(unnamed, Ok)?;
            return Ok(Device { name, pointer: None, repeated: false });
        };
        let refused =
            |reason: &str| Problem::within(&self.place.to_string(), &dotted(&found.pointer), reason);
        let name = found
            .node
            .as_name()
            .ok_or_else(|| refused(&format!("expected the device's name, found {}", found.node.kind())))?;
        let name = found.once(&self.shared.devices, |_| device::normalise(name).map(Name::from));
        Ok(Device { name: name.map_err(refused)?, repeated: found.repeated, pointer: Some(found.pointer) })
    }

    fn stated_time(&self) -> Option<Located<'a>> {
        self.first(self.mapping.map_or(&[][..], |mapping| &mapping.time), self.usual.time)
    }

    /// The platform's message id, which a mapping alone can name.
    pub(super) fn message_id(&self) -> Option<String> {
        let located = self.locate(self.mapping?.message_id.as_deref()?)?;
        Some(located.node.as_name()?.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// The value that a pointer names, from the item, or from the body's root where it begins with `^`.
    pub(super) fn locate(&self, pointer: &'a str) -> Option<Located<'a>> {
        let from_root = pointer.strip_prefix('^');
        let (node, repeated) = match from_root {
            Some(from_root) => self.root.find(from_root)?,
            None => self.node.find(pointer)?,
        };
        let is_shared = from_root.is_some() && !std::ptr::eq(self.root, self.node);
        Some(Located { node, pointer: pointer.into(), is_shared, repeated })
    }

    /// The first of the pointers, or of the usual keys where there are no pointers, at which something stands.
    fn first(&self, pointers: &'a [String], usual: &[&str]) -> Option<Located<'a>> {
        if !pointers.is_empty() {
            return pointers.iter().filter_map(|pointer| self.locate(pointer)).find(is_present);
        }
        let members = self.node.as_object()?;
        let within_data = || named(lone_data(members)?, &["data"], usual);
        named(members, &[], usual).or_else(within_data)
    }
}

/// The value of the first of the usual keys among `members`, which stand below `parents`.
fn named<'a>(members: &'a Object, parents: &[&str], usual: &[&str]) -> Option<Located<'a>> {
    usual.iter().find_map(|key| {
        let is_named = |name: &str| name.len() <= MAX_USUAL_BYTES && names::squeezes_to(name, key);
        members.iter().filter(|(name, _)| is_named(name)).find_map(|(name, member)| {
            // MongoDB's Extended JSON, which Losant sends: `{"time": {"$date": ...}}`.
            let (node, date) = match member.node.get("$date") {
                Some(date) => (date, Some("$date")),
                None => (&member.node, None),
            };
            let keys = parents.iter().copied().chain([name.as_str()]).chain(date);
            let pointer = pointer_to(keys).into();
            let located = Located { node, pointer, is_shared: false, repeated: member.repeated };
            (is_present(&located) && located.node.as_name().is_some()).then_some(located)
        })
    })
}

/// The object `data` of an item that has no other object and no array: the content of a message that Standard Webhooks
/// recommends, `{"type": ..., "timestamp": ..., "data": {...}}`.
fn lone_data(members: &Object) -> Option<&Object> {
    let data = members.get("data")?.node.as_object()?;
    let is_plain = |node: &Node| !matches!(node, Node::Object(_) | Node::List(_));
    members.iter().all(|(key, member)| key == "data" || is_plain(&member.node)).then_some(data)
}

/// Whether there is more than nothing and white space. What is too long for a name is not looked through.
fn is_present(located: &Located<'_>) -> bool {
    match located.node {
        Node::Null => false,
        Node::Text(text) => text.len() > MAX_RAW_BYTES || !text.trim().is_empty(),
        _ => true,
    }
}

/// Whether `pointer` is the one to `key` below `parents`.
fn points_to(pointer: &str, parents: &[Cow<'_, str>], key: &str) -> bool {
    let mut tokens = pointer.split('/').skip(1);
    let is_next = |key: &str| tokens.next().is_some_and(|token| unescaped(token) == key);
    parents.iter().map(|parent| &**parent).chain([key]).all(is_next) && tokens.next().is_none()
}

fn pointer_to<'k>(keys: impl Iterator<Item = &'k str>) -> String {
    keys.map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}
