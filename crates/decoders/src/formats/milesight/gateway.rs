//! What a gateway posts that is its own network server (UG56, UG63, UG65, UG67, building gateways).
//!
//! Source: Milesight, "How to Use Payload Codec on Milesight Gateway"; building IoT gateway, "Uplink Data", "Notification".

use std::borrow::Cow;

use event_model::Name;

use super::names;
use crate::decode::{Context, Decoded, Problem};
use crate::device;
use crate::formats::lorawan::{self, Frame, Payload, Raw};
use crate::json::{Node, Object};
use crate::time::Clock;
use crate::walk::{NameField, Named, Walk};

/// What a gateway says about a frame, its device and itself, beside what a codec decoded. Each may be switched off.
const ENVELOPE: [&str; 23] = [
    "applicationID",
    "applicationName",
    "deviceName",
    "devEUI",
    "deviceID",
    "devAddr",
    "appEUI",
    "joinEUI",
    "gatewaySN",
    "gatewayEUI",
    "gatewayName",
    "gatewayTime",
    "cellularIP",
    "time",
    "rxInfo",
    "txInfo",
    "fCnt",
    "fcnt",
    "fPort",
    "data",
    "object",
    "metadata",
    "tags",
];

/// What makes an object a gateway's message.
const MARKS: [&str; 6] = ["devEUI", "deviceName", "deviceID", "applicationID", "gatewaySN", "fPort"];

/// A message: a frame of a device, or a notification.
pub(super) struct Uplink {
    body: Node,
    /// What stands before its fields in the body.
    place: String,
}

impl Uplink {
    /// The message in an object that stands at `place`; `None` where there is none.
    pub(super) fn of(members: Box<Object>, place: String) -> Option<Self> {
        let is_one = MARKS.iter().any(|key| members.contains_key(*key));
        is_one.then_some(Self { body: Node::Object(members), place })
    }

    fn name(&self, key: &str) -> Option<&str> {
        self.body.get(key).and_then(Node::as_name).filter(|name| !name.trim().is_empty())
    }

    /// The DevEUI in lower case; of a device that is none of LoRaWAN its name in the gateway.
    pub(super) fn device(&self) -> Result<Option<String>, &'static str> {
        match self.name("devEUI") {
            Some(eui) => lorawan::device(eui).map(Some),
            None => self.name("deviceName").map(device::normalise).transpose(),
        }
    }

    /// Device and frame counter.
    pub(super) fn id(&self) -> Option<String> {
        let counter = self.name("fCnt").or_else(|| self.name("fcnt"))?;
        (!self.is_notification()).then_some(())?;
        Some(format!("{}/{counter}", self.device().ok()??))
    }

    /// A device that came or went, a downlink that was acknowledged or failed.
    fn is_notification(&self) -> bool {
        let is_presence = matches!(self.name("status"), Some("online" | "offline"));
        is_presence || ["acknowledged", "error"].iter().any(|key| self.body.get(key).is_some())
    }

    /// The frame as the device sent it, which a gateway without a codec passes on in Base64.
    fn raw<'n>(&'n self, place: &'n str, is_decoded: bool) -> Raw<'n> {
        let payload = Payload::Base64(self.body.get("data").filter(|data| data.as_str().is_some()));
        Raw { payload, port: self.body.get("fPort"), models: &[], is_decoded, place }
    }

    /// What the codec decoded, and its key: an object of its own, else it lies among the envelope's fields.
    fn decoded(&self) -> Option<(&'static str, &Node)> {
        let own = ["object", "data"].into_iter().find_map(|key| Some((key, self.body.get(key)?)));
        match own {
            Some(("data", Node::Text(_))) => None,
            Some(own) => Some(own),
            None => Some(("", &self.body)),
        }
    }

    /// The readings of the frame.
    pub(super) fn read(&self, context: Context<'_>) -> Result<Decoded, Problem> {
        let mut decoded = Decoded::default();
        if self.is_notification() {
            return Ok(decoded);
        }
        let device = self.device().map_err(|reason| Problem::new(format!("{}devEUI", self.place), reason))?;
        let device = device.map(Name::from).map_or_else(|| context.unnamed_device(), Ok)?;
        let clock = Clock::new(context);
        let heard = self.body.get("time").or_else(|| self.first_gateway("time")).map(repaired);
        let moment = clock.of_frame(heard.as_deref(), self.body.get("gatewayTime"));
        let frame = Frame { device: &device, context, moment };
        let object = self.decoded();
        if frame.add_by_codec(&self.raw(&format!("{}data", self.place), object.is_some()), &mut decoded)? {
            return Ok(decoded);
        }
        let Some((key, object)) = object else { return Ok(decoded) };
        let name: NameField<'_> =
            if names::is_of_milesight(&device) { &names::name_field } else { &lorawan::name_field };
        if !key.is_empty() {
            frame.add(Some(object), &format!("{}{key}", self.place), name, &mut decoded)?;
            return Ok(decoded);
        }
        let Some(members) = object.as_object() else { return Ok(decoded) };
        let walk = Walk {
            place_prefix: &self.place,
            name: &|parents, key| {
                let top = parents.first().map_or(key, |parent| parent);
                if ENVELOPE.contains(&top) { Named::Skip } else { name(parents, key) }
            },
            ..Walk::by_table(context, &device, moment)
        };
        walk.add(members, &mut decoded)?;
        Ok(decoded)
    }

    fn first_gateway(&self, key: &str) -> Option<&Node> {
        self.body.get("rxInfo")?.as_list()?.first()?.get(key)
    }
}

/// A time in which firmware left out the hyphen before the day (`2020-0327T12:39:05Z`), with it.
fn repaired(time: &Node) -> Cow<'_, Node> {
    let Some(text) = time.as_str() else { return Cow::Borrowed(time) };
    let bytes = text.as_bytes();
    let lacks_it = bytes.len() < 64
        && text.is_ascii()
        && bytes.get(4) == Some(&b'-')
        && bytes.get(5..9).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        && bytes.get(9) == Some(&b'T');
    if !lacks_it {
        return Cow::Borrowed(time);
    }
    Cow::Owned(Node::Text([&text[..7], "-", &text[7..]].concat().into()))
}
