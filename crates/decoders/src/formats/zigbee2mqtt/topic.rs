//! MQTT topics of Zigbee2MQTT: `<base topic>/<friendly name>`, by default `zigbee2mqtt/<friendly name>`.

/// A topic, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    /// The friendly name, which may hold `/`; `None` where there is none.
    pub(super) device: Option<String>,
    /// What is published under it.
    pub(super) kind: Kind,
}

/// What is published under a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The state of a device or group.
    State,
    /// Availability, commands, what the bridge says about itself, discovery: no values that a sensor measured.
    Other,
}

/// The base topic where none is set.
const BASE: &str = "zigbee2mqtt";

/// What the bridge publishes and listens to below `bridge/`, with that of the API before 1.17.
const OF_BRIDGE: [&str; 15] = [
    "state",
    "info",
    "health",
    "logging",
    "devices",
    "groups",
    "event",
    "extensions",
    "converters",
    "definitions",
    "request",
    "response",
    "config",
    "log",
    "networkmap",
];

impl Topic {
    /// A base topic other than the default stays in the name: it tells several bridges apart.
    pub(super) fn of(topic: &str) -> Self {
        let mut levels: Vec<&str> = topic.split('/').filter(|level| !level.is_empty()).collect();
        if levels.len() > 1 && levels[0] == BASE {
            levels.remove(0);
        }
        let kind = kind(&levels);
        if kind == Kind::Other {
            levels.truncate(levels.iter().position(|level| is_verb(level)).unwrap_or(levels.len()));
        }
        Self { device: (!levels.is_empty()).then(|| levels.join("/")), kind }
    }

    /// Device and attribute of `<friendly name>/<attribute>`, as the output `attribute` publishes single values. The slash may be
    /// one of the friendly name's own.
    pub(super) fn attribute(&self) -> Option<(&str, &str)> {
        self.device.as_deref()?.rsplit_once('/')
    }
}

fn kind(levels: &[&str]) -> Kind {
    let is_bridge = levels.windows(2).take(2).any(|pair| pair[0] == "bridge" && OF_BRIDGE.contains(&pair[1]));
    let is_discovery = levels.first() == Some(&"homeassistant");
    let has_verb = levels.iter().skip(1).any(|level| is_verb(level));
    if is_bridge || is_discovery || has_verb { Kind::Other } else { Kind::State }
}

/// What stands behind a friendly name where no state is meant; a friendly name may not end so.
fn is_verb(level: &str) -> bool {
    matches!(level, "availability" | "set" | "get")
}

#[cfg(test)]
mod tests {
    use super::{Kind, Topic};

    #[test]
    fn the_device_is_the_friendly_name() {
        for (topic, device) in [
            ("zigbee2mqtt/0x00158d0001d82999", "0x00158d0001d82999"),
            ("zigbee2mqtt/living room/thermometer", "living room/thermometer"),
            ("kitchen", "kitchen"),
            ("bridge", "bridge"),
            ("zigbee2mqtt", "zigbee2mqtt"),
            ("upstairs/kitchen", "upstairs/kitchen"),
            ("/zigbee2mqtt//küche/", "küche"),
        ] {
            assert_eq!(Topic::of(topic), Topic { device: Some(device.into()), kind: Kind::State }, "{topic}");
        }
        assert_eq!(Topic::of(""), Topic { device: None, kind: Kind::State });
    }

    #[test]
    fn some_topics_hold_no_state() {
        for (topic, device) in [
            ("zigbee2mqtt/kitchen/availability", "kitchen"),
            ("zigbee2mqtt/a/b/availability", "a/b"),
            ("zigbee2mqtt/kitchen/set", "kitchen"),
            ("kitchen/left/get", "kitchen/left"),
            ("zigbee2mqtt/kitchen/set/state", "kitchen"),
            ("zigbee2mqtt/bridge/state", "bridge/state"),
            ("upstairs/bridge/response/device/rename", "upstairs/bridge/response/device/rename"),
            ("homeassistant/sensor/0x1/temperature/config", "homeassistant/sensor/0x1/temperature/config"),
        ] {
            assert_eq!(Topic::of(topic), Topic { device: Some(device.into()), kind: Kind::Other }, "{topic}");
        }
    }
}
