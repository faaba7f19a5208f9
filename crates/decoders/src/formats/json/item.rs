//! One item of a payload: who measured, when, and what.

use event_model::Name;

use crate::decode::{Context, Decoded, Problem, Profile};
use crate::device;
use crate::json::{Node, unescaped};
use crate::mapping::Mapping;
use crate::names;
use crate::time::{Clock, Moment, RECEIVED};
use crate::walk::{DUPLICATE_KEY, Named, Walk};

use super::body::dotted;
use super::mapped::Mapped;

/// The keys of an item that say who and when where no mapping does: lower case, letters and digits only, the first
/// that is present wins.
pub(in crate::formats) struct Usual {
    pub(in crate::formats) device: &'static [&'static str],
    pub(in crate::formats) time: &'static [&'static str],
}

/// An item with all that tells how to read it.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) root: &'a Node,
    pub(super) node: &'a Node,
    pub(super) place: &'a str,
    pub(super) mapping: Option<&'a Mapping>,
    pub(super) usual: &'a Usual,
    /// The device, where the envelope around the payload names it.
    pub(super) device: Option<&'a Name>,
    /// The time of an item that has none of its own, where it is not the receive time.
    pub(super) time: Option<Moment>,
}

/// A value that says something about the item.
pub(super) struct Located<'a> {
    pub(super) node: &'a Node,
    /// Where it is, as a pointer.
    pointer: String,
    /// A key on the way to it was repeated.
    pub(super) repeated: bool,
}

/// The device of an item.
pub(super) struct Device {
    pub(super) name: String,
    pointer: Option<String>,
    repeated: bool,
}

impl<'a> Item<'a> {
    /// Adds the item's readings and its problems; an `Err` takes the whole item out.
    pub(super) fn add(&self, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
        let profile = context.profile;
        let Node::Object(object) = self.node else {
            let place = self.place.trim_end_matches(['.', ' ', ',']);
            return Err(Problem::new(place, format!("expected an object, found {}", self.node.kind())));
        };
        let device = self.device(profile)?;
        let name = self.device.cloned().unwrap_or_else(|| device.name.into());
        let time = self.stated_time();
        let own = Clock::new(context).of_node(time.as_ref().map(|time| time.node));
        let moment = self.time.filter(|_| own.flag == Some(RECEIVED)).unwrap_or(own);
        let repeated = device.repeated || time.as_ref().is_some_and(|time| time.repeated);
        let flags: &[_] = if repeated { &[DUPLICATE_KEY] } else { &[] };
        if let Some(mapping) = self.mapping.filter(|mapping| !mapping.metrics.is_empty()) {
            let mapped = Mapped { item: *self, mapping, context, device: &name, moment, flags };
            return mapped.add(decoded);
        }
        let mut taken: Vec<String> = self.named_in_mapping();
        taken.extend(device.pointer);
        taken.extend(time.map(|time| time.pointer));
        let name_field = |parents: &[String], key: &str| {
            if taken.iter().any(|pointer| points_to(pointer, parents, key)) {
                Named::Skip
            } else {
                Named::by_table(key)
            }
        };
        let walk = Walk {
            context,
            device: &name,
            moment,
            raw_prefix: "",
            place_prefix: self.place,
            flags,
            missing: self.mapping.map_or(&[][..], |mapping| &mapping.missing),
            name: &name_field,
        };
        walk.add(object, decoded)
    }

    /// What a mapping without metrics points at is no reading, whether it was taken or not.
    fn named_in_mapping(&self) -> Vec<String> {
        let Some(mapping) = self.mapping else { return Vec::new() };
        let single = [&mapping.channel, &mapping.message_id].into_iter().flatten();
        mapping.device.iter().chain(&mapping.time).chain(single).cloned().collect()
    }

    /// The device: what the mapping or a usual key names, else the source.
    pub(super) fn device(&self, profile: &Profile) -> Result<Device, Problem> {
        let pointers = self.mapping.map_or(&[][..], |mapping| &mapping.device);
        let Some(found) = self.first(pointers, self.usual.device) else {
            return Ok(Device { name: profile.source.clone(), pointer: None, repeated: false });
        };
        let refused = |reason: &str| Problem::within(self.place, &dotted(&found.pointer), reason);
        let name = found
            .node
            .as_name()
            .ok_or_else(|| refused(&format!("expected the device's name, found {}", found.node.kind())))?;
        let name = device::normalise(name).map_err(refused)?;
        Ok(Device { name, repeated: found.repeated, pointer: Some(found.pointer) })
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
    pub(super) fn locate(&self, pointer: &str) -> Option<Located<'a>> {
        let (node, repeated) = match pointer.strip_prefix('^') {
            Some(from_root) => self.root.find(from_root)?,
            None => self.node.find(pointer)?,
        };
        Some(Located { node, pointer: pointer.to_owned(), repeated })
    }

    /// The first of the pointers, or of the usual keys where there are no pointers, at which something stands.
    fn first(&self, pointers: &[String], usual: &[&str]) -> Option<Located<'a>> {
        let is_present = |located: &Located<'_>| match located.node {
            Node::Null => false,
            Node::Text(text) => !text.trim().is_empty(),
            _ => true,
        };
        if !pointers.is_empty() {
            return pointers.iter().filter_map(|pointer| self.locate(pointer)).find(is_present);
        }
        let members = self.node.as_object()?;
        usual.iter().find_map(|key| {
            let mut named = members.iter().filter(|(name, _)| names::squeezes_to(name, key));
            named.find_map(|(name, member)| {
                // MongoDB's Extended JSON, which Losant sends: `{"time": {"$date": ...}}`.
                let (node, parents, key) = match member.node.get("$date") {
                    Some(date) => (date, vec![name.clone()], "$date"),
                    None => (&member.node, Vec::new(), name.as_str()),
                };
                let located = Located { node, pointer: pointer_to(&parents, key), repeated: member.repeated };
                (is_present(&located) && located.node.as_name().is_some()).then_some(located)
            })
        })
    }
}

/// Whether `pointer` is the one to `key` below `parents`.
fn points_to(pointer: &str, parents: &[String], key: &str) -> bool {
    let mut tokens = pointer.split('/').skip(1);
    let is_next = |key: &str| tokens.next().is_some_and(|token| unescaped(token) == key);
    parents.iter().map(String::as_str).chain([key]).all(is_next) && tokens.next().is_none()
}

fn pointer_to(parents: &[String], key: &str) -> String {
    let keys = parents.iter().map(String::as_str).chain([key]);
    keys.map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}
