#![doc = include_str!("../json.md")]

mod body;
mod embedded;
mod item;
mod mapped;

use event_model::RecordedRequest;
use settings::Fields;

pub(super) use body::Body;
pub(super) use embedded::{Envelope, read};
pub(super) use item::Usual;

use self::item::{Item, Shared};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Profile};
use crate::form;
use crate::format::{Decoder, Document};
use crate::mapping::Mapping;
use crate::options::Options;
use crate::time::Clock;

/// Generic JSON with a mapping.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

/// The keys that name device and time where a source has no mapping.
const USUAL: Usual = Usual {
    device: &[
        "device",
        "deviceid",
        "devicename",
        "deveui",
        "sensor",
        "sensorid",
        "sensorname",
        "thing",
        "thingname",
        "node",
        "nodeid",
        "station",
        "stationid",
        "serial",
        "serialnumber",
        "mac",
        "macaddress",
        "clientid",
        "host",
    ],
    time: &[
        "time",
        "timestamp",
        "ts",
        "datetime",
        "date",
        "measuredat",
        "observedat",
        "recordedat",
        "sampledat",
        "eventtime",
        "createdat",
        "publishedat",
    ],
    about: |_| &[],
};

impl Decoder for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn options(&self, fields: &Fields<'_>) -> Options {
        Mapping::options(fields)
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST", "PUT"])?;
        Ok(Box::new(Items::parse(request, &USUAL)?))
    }
}

/// A body of items, with the keys that name device and time in them.
pub(super) struct Items {
    body: Body,
    usual: &'static Usual,
}

impl Items {
    pub(super) fn parse(request: &RecordedRequest, usual: &'static Usual) -> Result<Self, FormError> {
        Ok(Self { body: Body::read(request)?, usual })
    }

    fn item<'a>(
        &'a self,
        found: &'a body::Found<'_>,
        mapping: Option<&'a Mapping>,
        shared: &'a Shared,
    ) -> Item<'a> {
        let (root, usual, device, time) = (&self.body.root, self.usual, None, None);
        Item { root, node: found.node, place: &found.place, mapping, usual, device, time, shared }
    }
}

impl Document for Items {
    /// Checks that there are objects, and takes the device and the message id where all items share them.
    fn inspect(&self, profile: &Profile) -> Result<Inspection, FormError> {
        let body = &self.body;
        let mapping = Mapping::of(profile);
        let items = body
            .items(mapping)
            .map_err(|problem| FormError::Unprocessable(DecodeError(problem).to_string()))?;
        let shared = Shared::default();
        let is_one = |found: &body::Found<'_>| self.item(found, mapping, &shared).is_one();
        if let Some(first) = items.first().filter(|_| !items.iter().any(is_one)) {
            return Err(FormError::Unprocessable(format!(
                "expected a JSON object, found {}",
                first.node.kind()
            )));
        }
        let Some(first) = items.first() else { return Ok(Inspection::default()) };
        let item = self.item(first, mapping, &shared);
        let is_alone = items.len() == 1;
        let of_all =
            mapping.and_then(|mapping| mapping.message_id.as_deref()).is_some_and(|id| id.starts_with('^'));
        Ok(Inspection {
            device: if is_alone {
                item.device(|| Ok(profile.source.as_str().into())).ok().map(|device| device.name.to_string())
            } else {
                None
            },
            message_id: if is_alone || of_all { item.message_id() } else { None },
            ..Inspection::default()
        })
    }

    /// Reads every item; what makes no sense in one leaves the others alone.
    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let body = &self.body;
        let mapping = Mapping::of(context.profile);
        let items = body.items(mapping).map_err(DecodeError)?;
        let mut decoded = Decoded { problems: body.problems.clone(), ..Decoded::default() };
        let (shared, clock) = (Shared::default(), Clock::new(context));
        for found in &items {
            if decoded.is_full() {
                break;
            }
            let item = self.item(found, mapping, &shared);
            match item.add(context, &clock, &mut decoded) {
                Ok(()) => {}
                Err(problem) if items.len() == 1 => return Err(DecodeError(problem)),
                Err(problem) => decoded.problems.push(problem),
            }
        }
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests;
