//! MQTT topics of Tasmota: `%prefix%/%topic%/SENSOR`, by default `tele/<topic>/SENSOR`.

/// A topic, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topic {
    /// The device's own part of the topic.
    pub(super) device: Option<String>,
    /// The message is one that carries sensors, or the topic does not tell.
    pub(super) is_sensor: bool,
}

const PREFIXES: [&str; 3] = ["tele", "stat", "cmnd"];

impl Topic {
    /// A full topic takes its prefix anywhere (`tele/kitchen/SENSOR`, `home/kitchen/tele/SENSOR`); what is left is the device.
    pub(super) fn of(topic: &str) -> Self {
        let mut levels: Vec<&str> = topic.split('/').filter(|level| !level.is_empty()).collect();
        let Some(prefix) = levels.iter().position(|level| PREFIXES.contains(level)) else {
            let device = (!levels.is_empty()).then(|| levels.join("/"));
            return Self { device, is_sensor: true };
        };
        levels.remove(prefix);
        let message = if levels.len() > 1 { levels.pop() } else { None };
        // STATUS8 and STATUS10 answer `Status 8` and `Status 10` with the sensors.
        let is_sensor = matches!(message, None | Some("SENSOR" | "STATUS8" | "STATUS10"));
        Self { device: (!levels.is_empty()).then(|| levels.join("/")), is_sensor }
    }
}

#[cfg(test)]
mod tests {
    use super::Topic;

    #[test]
    fn the_device_is_what_is_left_of_the_topic() {
        for (topic, device, is_sensor) in [
            ("tele/kitchen/SENSOR", Some("kitchen"), true),
            ("tele/house/kitchen/SENSOR", Some("house/kitchen"), true),
            ("house/küche/tele/SENSOR", Some("house/küche"), true),
            ("stat/kitchen/STATUS8", Some("kitchen"), true),
            ("tele/kitchen/STATE", Some("kitchen"), false),
            ("kitchen", Some("kitchen"), true),
            ("", None, true),
        ] {
            assert_eq!(Topic::of(topic), Topic { device: device.map(Into::into), is_sensor }, "{topic}");
        }
    }
}
