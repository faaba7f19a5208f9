#![doc = include_str!("../sensor_community.md")]

mod naming;
mod values;

use std::borrow::Cow;

use event_model::{Name, RecordedRequest};

pub(super) use self::values::{LIST, Values};
use crate::decode::{Context, DecodeError, Decoded, FormError, Inspection, Problem, Profile};
use crate::device;
use crate::form;
use crate::format::{Decoder, Document};
use crate::json::{Node, Object};
use crate::time::Clock;

/// What airrohr, the firmware of Sensor.Community, sends to an API of one's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct SensorCommunity;

/// The header fields that the firmware adds: the board, the pin under which a sensor is registered, the board by its MAC address.
const HEADERS: [&str; 3] = ["x-sensor", "x-pin", "x-mac-id"];

impl Decoder for SensorCommunity {
    fn name(&self) -> &'static str {
        "sensor_community"
    }

    /// As api.sensor.community answers; the firmware takes 200 to 208.
    fn success_status(&self) -> u16 {
        201
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &HEADERS
    }

    /// After 20 seconds it gives up, and the next message has other values.
    fn impatience(&self) -> Option<&'static str> {
        Some("airrohr sends once")
    }

    fn parse<'r>(&self, request: &'r RecordedRequest) -> Result<Box<dyn Document + 'r>, FormError> {
        form::expect_method(request, &["POST"])?;
        form::expect_json(request, &["text/plain"])?;
        Ok(Box::new(Body { messages: messages(form::parse_json(request)?)?, request }))
    }
}

/// The messages of a request: one, or a list.
struct Body<'r> {
    messages: Messages,
    request: &'r RecordedRequest,
}

enum Messages {
    One(Node),
    Several(Vec<Node>),
}

/// Refuses what holds no message at all.
fn messages(node: Node) -> Result<Messages, FormError> {
    match node {
        Node::List(items) if items.iter().any(|item| list_of(item).is_ok()) => Ok(Messages::Several(items)),
        Node::List(_) => Err(FormError::Unprocessable(format!("expected messages with {LIST}, found none"))),
        one => list_of(&one).map(|_| ()).map_err(FormError::Unprocessable).map(|()| Messages::One(one)),
    }
}

/// A message and its values.
fn list_of(message: &Node) -> Result<(&Object, &[Node]), String> {
    let Some(object) = message.as_object() else {
        return Err(format!("expected a JSON object, found {}", message.kind()));
    };
    let list = message.get(LIST).ok_or_else(|| format!("expected {LIST}, found none"))?;
    let list = list.as_list().ok_or_else(|| format!("{LIST}: expected an array, found {}", list.kind()))?;
    Ok((object, list))
}

impl Document for Body<'_> {
    fn inspect(&self, _profile: &Profile) -> Result<Inspection, FormError> {
        let Messages::One(message) = &self.messages else { return Ok(Inspection::default()) };
        let raw = message.as_object().and_then(|message| self.device(message));
        let device = raw.and_then(|raw| device::normalise(&raw).ok());
        Ok(Inspection { device, ..Inspection::default() })
    }

    fn read(&self, context: Context<'_>) -> Result<Decoded, DecodeError> {
        let mut decoded = Decoded::default();
        let items = match &self.messages {
            Messages::One(message) => {
                self.take(message, "", context, &mut decoded).map_err(DecodeError)?;
                return Ok(decoded);
            }
            Messages::Several(items) => items,
        };
        decoded.add_each(items.iter().enumerate().map(Ok), false, |(index, item), decoded| {
            self.take(item, &format!("[{index}]."), context, decoded)
        })?;
        Ok(decoded)
    }
}

impl Body<'_> {
    fn take(
        &self,
        message: &Node,
        place: &str,
        context: Context<'_>,
        decoded: &mut Decoded,
    ) -> Result<(), Problem> {
        let refused = |reason: String| Problem::new(place.trim_end_matches('.'), reason);
        let (object, list) = list_of(message).map_err(refused)?;
        let device: Name = match self.device(object) {
            Some(raw) => device::normalise(&raw).map_err(|reason| refused(reason.to_owned()))?.into(),
            None => context.unnamed_device()?,
        };
        let values = Values {
            context,
            device: &device,
            channel: &self.pin(),
            moment: Clock::new(context).of_node(message.get("timestamp")),
            place,
        };
        values.add(list, decoded)?;
        if let Some(version) = message.get("software_version").and_then(Node::as_str) {
            decoded.tags.push((device, "software_version".to_owned(), version.to_owned()));
        }
        Ok(())
    }

    /// The board that a header field names, else the message; of what data.sensor.community gives out, the sensor.
    fn device<'m>(&'m self, message: &'m Object) -> Option<Cow<'m, str>> {
        let text = |key: &str| {
            let name = message.get(key)?.node.as_name()?;
            Some(name).filter(|name| !name.trim().is_empty())
        };
        let header = |name: &str| self.request.header(name).filter(|value| !value.trim().is_empty());
        let board = || {
            ["esp8266", "esp32"]
                .into_iter()
                .find_map(|kind| Some(naming::board(kind, text(&format!("{kind}id"))?)))
        };
        let sensor = || message.get("sensor")?.node.get("id")?.as_name().map(Cow::Borrowed);
        let named = header(HEADERS[0]).map(Cow::Borrowed).or_else(board);
        named.or_else(|| header(HEADERS[2]).map(Cow::Borrowed)).or_else(sensor)
    }

    /// The channel of what names no sensor. A station sends each of its sensors by itself, and two of them may measure a
    /// temperature: the pin under which it is registered tells. 1 is that of the dust sensor, and 0 of all at once.
    fn pin(&self) -> Name {
        let pin = self.request.header(HEADERS[1]).map(str::trim).unwrap_or_default();
        let is_pin = (1..=3).contains(&pin.len()) && pin.bytes().all(|byte| byte.is_ascii_digit());
        if is_pin && !matches!(pin, "0" | "1") { format!("pin{pin}").into() } else { Name::default() }
    }
}

#[cfg(test)]
mod tests;
