//! What happened at a component, as `NotifyEvent` tells it: a button was pushed.

use event_model::Name;

use super::fields;
use super::report::moment;
use crate::decode::{Context, Decoded};
use crate::device;
use crate::json::Node;
use crate::measure::{self, Measurement};
use crate::time::Clock;
use crate::value::Scalar;

/// Events that tell of the device itself, or whose values its status has too (Shelly: "Sys", "EMData", events).
const NOT_MEASURED: [&str; 9] = [
    "config_changed",
    "component_added",
    "component_removed",
    "data",
    "ota_begin",
    "ota_error",
    "ota_progress",
    "ota_success",
    "scheduled_restart",
];

/// Adds an event as a text, under the name of its component; `time` is that of the whole notification.
pub(super) fn add(
    event: &Node,
    time: Option<&Node>,
    (device, context): (&Name, Context<'_>),
    decoded: &mut Decoded,
) -> Result<(), String> {
    let text = |key: &str| event.get(key).and_then(Node::as_str);
    let Some(name) = text("event") else {
        return Err(format!("expected an object with an event, found {}", event.kind()));
    };
    let component = text("component").unwrap_or_default();
    if NOT_MEASURED.contains(&name) || fields::is_about_device(component) {
        return Ok(());
    }
    let moment = moment(event.get("ts").or(time), &Clock::new(context));
    let channel = device::channel(component);
    let measurement = Measurement {
        metric: Name::known("event"),
        raw_metric: context.raw_name("", &format!("{channel}.event")),
        value: Scalar::Text(name.replace('\0', "")),
        unit: None,
        moment,
    };
    if let Some(reading) = measure::reading(context.profile, measurement)? {
        decoded.push(device, &channel, moment.at, reading);
    }
    Ok(())
}
