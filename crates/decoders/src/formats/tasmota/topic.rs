//! MQTT topics of Tasmota: `%prefix%/%topic%/SENSOR`, by default `tele/<topic>/SENSOR`.

use event_model::form;

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
    /// The topic behind `/hooks/<source>/`.
    pub(super) fn of_path(path: &str) -> Self {
        let behind = path.trim_start_matches('/').splitn(3, '/').nth(2).unwrap_or_default();
        Self::of(&form::percent_decoded(behind))
    }

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
        for (path, device, is_sensor) in [
            ("/hooks/home/tele/kitchen/SENSOR", Some("kitchen"), true),
            ("/hooks/home/tele/house/kitchen/SENSOR", Some("house/kitchen"), true),
            ("/hooks/home/house/k%C3%BCche/tele/SENSOR", Some("house/küche"), true),
            ("/hooks/home/stat/kitchen/STATUS8", Some("kitchen"), true),
            ("/hooks/home/tele/kitchen/STATE", Some("kitchen"), false),
            ("/hooks/home/kitchen", Some("kitchen"), true),
            ("/hooks/home", None, true),
        ] {
            assert_eq!(Topic::of_path(path), Topic { device: device.map(Into::into), is_sensor }, "{path}");
        }
    }
}
