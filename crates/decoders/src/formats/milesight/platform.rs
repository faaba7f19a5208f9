//! An event of the Development Platform.

use event_model::Name;

use super::names;
use crate::decode::{Context, Decoded, Problem};
use crate::formats::lorawan::{self, Frame};
use crate::json::{Node, Object};
use crate::time::{Clock, Moment};
use crate::walk::{Named, Walk};

/// What back-filled values are called, as the event's `tslId` and as a key of its payload.
const HISTORY: [&str; 2] = ["historical_data", "history"];

/// The keys with which back-filled values say when they were measured.
const TIMES: [&str; 3] = ["timestamp", "ts", "time"];

/// An event.
pub(super) struct Event {
    body: Node,
    /// What stands before its fields in the body.
    place: String,
}

impl Event {
    /// The event in a JSON value that stands at `place`; `None` where there is none.
    pub(super) fn of(body: Node, place: String) -> Option<Self> {
        body.get("eventType")?.as_str()?;
        Some(Self { body, place })
    }

    fn profile(&self, key: &str) -> Option<&str> {
        let value = self.body.at(&["data", "deviceProfile", key])?.as_name()?;
        Some(value).filter(|value| !value.trim().is_empty())
    }

    /// The DevEUI in lower case, else the serial number, else the platform's own number of the device.
    pub(super) fn device(&self) -> Result<Option<String>, &'static str> {
        let device = ["devEUI", "sn", "deviceId"].into_iter().find_map(|key| self.profile(key));
        device.map(lorawan::device).transpose()
    }

    /// `eventId`, which some versions write `eventID`.
    pub(super) fn id(&self) -> Option<String> {
        let id = self.body.get("eventId").or_else(|| self.body.get("eventID"))?.as_name()?;
        Some(id).filter(|id| !id.trim().is_empty()).map(str::to_owned)
    }

    /// When the device reported, in ms; else when the event was made, in s.
    fn moment(&self, clock: &Clock) -> Moment {
        let reported = self.body.at(&["data", "ts"]);
        clock.of_node(reported.or_else(|| self.body.get("eventCreatedTime")))
    }

    /// Whether it brings values of the device: neither the answer to a command nor its being online is one.
    fn has_values(&self) -> bool {
        let is_data = self.body.get("eventType").and_then(Node::as_str) == Some("DEVICE_DATA");
        let kind = self.body.at(&["data", "type"]).and_then(Node::as_str).unwrap_or_default();
        is_data && !["SERVICE", "ONLINE", "OFFLINE"].contains(&kind)
    }

    fn is_history(&self) -> bool {
        let name = |key| self.body.at(&["data", key]).and_then(Node::as_str);
        let name = name("tslId").or_else(|| name("tslID"));
        name.is_some_and(|name| HISTORY.contains(&name))
    }

    /// The readings of the event.
    pub(super) fn read(&self, context: Context<'_>) -> Result<Decoded, Problem> {
        let mut decoded = Decoded::default();
        if !self.has_values() {
            return Ok(decoded);
        }
        let place = format!("{}data.deviceProfile", self.place);
        let device = self.device().map_err(|reason| Problem::new(place, reason))?;
        let device = device.map(Name::from).map_or_else(|| context.unnamed_device(), Ok)?;
        let clock = Clock::new(context);
        let frame = Frame { device: &device, context, moment: self.moment(&clock) };
        let place = format!("{}data.payload", self.place);
        match self.body.at(&["data", "payload"]) {
            Some(Node::Object(payload)) => {
                for values in self.values(payload, &place) {
                    values.add(&frame, &clock, &mut decoded)?;
                }
            }
            other => frame.add(other, &place, &names::name_field, &mut decoded)?,
        }
        Ok(decoded)
    }

    /// What the payload has of now, and what of before. Lists of what was before are in it as any other: they have a time for
    /// each element.
    fn values<'p>(&self, payload: &'p Object, place: &str) -> Vec<Values<'p>> {
        let of = |object, place, is_history, without| Values { object, place, is_history, without };
        let nested = HISTORY.into_iter().find_map(|key| Some((key, payload.get(key)?.node.as_object()?)));
        match nested {
            Some((key, earlier)) => {
                let now = of(payload, place.to_owned(), false, Some(key));
                vec![now, of(earlier, format!("{place}.{key}"), true, None)]
            }
            None => vec![of(payload, place.to_owned(), self.is_history(), None)],
        }
    }
}

/// Values of one time.
struct Values<'p> {
    object: &'p Object,
    place: String,
    /// Whether the device measured them before, at the time that they state.
    is_history: bool,
    /// The key below which others lie.
    without: Option<&'static str>,
}

impl Values<'_> {
    fn add(&self, frame: &Frame<'_>, clock: &Clock, decoded: &mut Decoded) -> Result<(), Problem> {
        let own = TIMES.iter().find_map(|key| self.object.get(*key)).filter(|_| self.is_history);
        let moment = own.map_or(frame.moment, |member| clock.of_node(Some(&member.node)));
        let walk = Walk {
            place_prefix: &format!("{}.", self.place),
            name: &|parents, key| {
                let top = parents.first().map_or(key, |parent| parent);
                let is_time = self.is_history && parents.is_empty() && TIMES.contains(&key);
                if is_time || self.without == Some(top) {
                    Named::Skip
                } else {
                    names::name_field(parents, key)
                }
            },
            ..Walk::by_table(frame.context, frame.device, moment)
        };
        walk.add(self.object, decoded)
    }
}
