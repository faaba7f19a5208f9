//! The device of a request, where there is one only.

use super::attributes::{self, Says};
use super::metric::{Metric, Place, Visit};
use super::named;
use super::options::Attributes;
use crate::decode::Profile;
use crate::device;
use crate::json::Node;

/// Looks for a second device.
pub(super) struct Devices {
    names: Attributes,
    resource: Says,
    /// The first point's; `None` before it, and for a point of no device.
    first: Option<Option<String>>,
    is_other: bool,
}

impl Devices {
    pub(super) fn new(profile: &Profile) -> Self {
        Self { names: named(profile), resource: Says::default(), first: None, is_other: false }
    }

    /// The device of all points.
    pub(super) fn only(self) -> Option<String> {
        let only = self.first.flatten().filter(|_| !self.is_other);
        only.and_then(|name| device::normalise(&name).ok())
    }
}

impl Visit for Devices {
    fn resource(&mut self, list: Option<&Node>) {
        let all: Vec<_> = attributes::all(list).collect();
        self.resource = Says::of(all.iter(), &self.names);
    }

    fn point(&mut self, _metric: &Metric<'_>, point: &Node, _place: Place) {
        let all: Vec<_> = attributes::all(point.get("attributes")).collect();
        let says = Says::of(all.iter(), &self.names);
        let device = says.device(&self.resource).map(|(_, name)| name);
        match &self.first {
            None => self.first = Some(device.map(str::to_owned)),
            Some(first) => self.is_other |= first.as_deref() != device,
        }
    }

    fn problem(&mut self, _place: Place, _reason: String) {}

    fn is_done(&self) -> bool {
        self.is_other
    }
}
