//! The fields of a callback: Sigfox's variables under the names that its documentation gives them, and a user's own.
//!
//! Sources: Sigfox documentation, "Callbacks": Uplink, Bidir, Status, Geoloc, Acknowledge, Data advanced, Error, Event type.

use std::borrow::Cow;

use event_model::Name;

use crate::device;
use crate::json::{Node, Object};
use crate::names;
use crate::walk::Named;

/// The fields that name the device; the first that is present wins.
const DEVICES: [&str; 4] = ["device", "deviceId", "device_id", "id"];

/// The fields with the time, in seconds.
const TIMES: [&str; 2] = ["time", "timestamp"];

/// The fields with the number of the message, which begins anew after 4095.
const NUMBERS: [&str; 3] = ["seqNumber", "seqnumber", "seq"];

/// What stands before the name of a variable that a device type's payload configuration has (`customData#temperature`).
const CUSTOM: &str = "customData#";

/// Sigfox's other variables, in lower case: about the frame, its way and its device type, and no measurement. A position is none
/// either, be it that of a station or that which the network computes.
const ABOUT: [&str; 53] = [
    "data",
    "ack",
    "longpolling",
    "duplicate",
    "duplicates",
    "station",
    "avgsnr",
    "avgsignal",
    "signal",
    "lat",
    "lng",
    "lon",
    "latitude",
    "longitude",
    "radius",
    "geolocsource",
    "computedlocation",
    "fixedlat",
    "fixedlng",
    "operatorname",
    "countrycode",
    "devicetypeid",
    "devicetypename",
    "groupid",
    "infocode",
    "infomessage",
    "downlinkack",
    "downlinkoverusage",
    "severity",
    "info",
    "cbdef",
    "eventtype",
    "sourceid",
    "sourcetype",
    "deviceinfo",
    "devicelastseqnumber",
    "devicemessageseqnumber",
    "deviceexpectedseqnumber",
    "devicemessagetime",
    "deviceshortcause",
    "devicecause",
    "networkoperatorid",
    "businessoperatorid",
    "contractid",
    "contractids",
    "subscriptionstate",
    "expectedsubscriptiondurationendtime",
    "expectedtokenendtime",
    "batch",
    "line",
    "reception",
    "rinfos",
    "token",
];

/// One callback.
pub(super) struct Callback<'b> {
    fields: &'b Object,
    pub(super) time: Option<&'b Node>,
}

impl<'b> Callback<'b> {
    pub(super) fn of(fields: &'b Object) -> Self {
        Self { fields, time: first(fields, &TIMES) }
    }

    /// The device; its id is hexadecimal, and kept in lower case.
    pub(super) fn device(&self) -> Result<Option<String>, String> {
        let Some(raw) = first(self.fields, &DEVICES).and_then(Node::as_name) else { return Ok(None) };
        if is_variable(raw) {
            return Err("Sigfox did not fill in the variable of the device".to_owned());
        }
        let name = device::normalise(raw)?;
        let is_hexadecimal = name.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(Some(if is_hexadecimal { name.to_ascii_lowercase() } else { name }))
    }

    /// What Sigfox's re-sends of one message have in common; its number alone comes again after 4096 messages.
    pub(super) fn id(&self, device: Option<&str>) -> Option<String> {
        let number = first(self.fields, &NUMBERS)?.as_name()?.parse::<u32>().ok()?;
        let time = self.time?.as_name()?.parse::<u64>().ok()?;
        Some(format!("{}:{number}:{time}", device?))
    }

    /// The fields with values whose variable stands there as it was written.
    pub(super) fn unfilled(&self) -> impl Iterator<Item = &'b str> {
        let fields = self.fields.iter().filter(|(_, member)| member.node.as_str().is_some_and(is_variable));
        fields.map(|(key, _)| key.as_str()).filter(|key| !is_about(key))
    }

    /// Names a field.
    pub(super) fn name(&self, parents: &[Cow<'_, str>], key: &str) -> Named {
        let outermost = parents.first().map_or(key, |first| &**first);
        let is_unfilled =
            || self.fields.get(key).and_then(|member| member.node.as_str()).is_some_and(is_variable);
        if is_about(outermost) || names::is_link(key) || parents.is_empty() && is_unfilled() {
            return Named::Skip;
        }
        let named = |metric, unit| Named::Metric {
            metric: Name::known(metric),
            unit: Some(Name::known(unit)),
            part: None,
        };
        match key {
            "temp" => named("temperature", "C"),
            "batt" => named("battery_voltage", "V"),
            _ => Named::by_table(key.strip_prefix(CUSTOM).unwrap_or(key)),
        }
    }
}

/// The first of these fields that holds something.
fn first<'b>(fields: &'b Object, keys: &[&str]) -> Option<&'b Node> {
    keys.iter().find_map(|key| {
        let node = &fields.get(*key)?.node;
        node.as_name().filter(|text| !text.trim().is_empty() && *text != "null").map(|_| node)
    })
}

/// Whether a field is Sigfox's own and no measurement.
fn is_about(key: &str) -> bool {
    let is_in = |keys: &[&str]| keys.iter().any(|known| key.eq_ignore_ascii_case(known));
    is_in(&ABOUT) || is_in(&DEVICES) || is_in(&TIMES) || is_in(&NUMBERS)
}

/// A variable as a template has it: `{device}`, `{customData#temperature}`.
fn is_variable(text: &str) -> bool {
    let name = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'_'))
    })
}
