//! Telemetry of IoT Hub (`Microsoft.Devices.DeviceTelemetry`): what a device sent, in an envelope of properties.

use std::borrow::Cow;

use event_model::Name;

use super::event::{self, GridEvent};
use super::json::{self, Envelope};
use crate::decode::{Context, Decoded, Problem};
use crate::json::Node;
use crate::{device, time::Clock};

/// The device: as IoT Hub authenticated it, else as the data or the subject (`devices/<name>`) say.
pub(super) fn device(event: &GridEvent) -> Option<&str> {
    let authenticated =
        event.data.at(&["systemProperties", "iothub-connection-device-id"]).and_then(Node::as_str);
    let stated = || event.data.get("deviceId").and_then(Node::as_str);
    let subject = event.subject.strip_prefix("devices/").unwrap_or(&event.subject);
    authenticated.or_else(stated).or(Some(subject)).filter(|name| !name.trim().is_empty())
}

/// Reads the body of a telemetry event.
pub(super) fn take(event: &GridEvent, context: Context<'_>, decoded: &mut Decoded) -> Result<(), Problem> {
    let place = format!("{}: data.body", event.place);
    let device = device(event);
    let body = body(event).map_err(|reason| Problem { place: place.clone(), reason })?;
    let enqueued = event.data.at(&["systemProperties", "iothub-enqueuedtime"]).and_then(Node::as_str);
    let time = enqueued.or(event.time.as_deref()).map(|time| Clock::new(context).of_text(time));
    json::read(&body, Envelope { device, time, place: &place }, context, decoded)?;
    let named: Option<Name> = device.and_then(|name| Some(device::normalise(name).ok()?.into()));
    if let (Some(device), Some(properties)) = (named, event.data.get("properties").and_then(Node::as_object))
    {
        for (name, member) in properties {
            if let Some(value) = member.node.as_name() {
                decoded.tags.push((device.clone(), name.to_string(), value.to_owned()));
            }
        }
    }
    Ok(())
}

/// The body as JSON. IoT Hub encodes it in Base64 unless the device declared JSON in UTF-8.
fn body(event: &GridEvent) -> Result<Cow<'_, Node>, String> {
    match event.data.get("body") {
        None => Err("expected the body of the message, found nothing".to_owned()),
        // A message of properties alone.
        Some(Node::Text(text)) if text.trim().is_empty() => Ok(Cow::Owned(Node::Null)),
        Some(Node::Text(text)) => event::decoded(text).map(Cow::Owned),
        Some(body) => Ok(Cow::Borrowed(body)),
    }
}
