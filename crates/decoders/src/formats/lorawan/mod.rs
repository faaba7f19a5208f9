//! What the LoRaWAN network servers share: device addresses, what codecs decoded, and the names that they give.

mod codec;
mod normalised;

use std::borrow::Cow;
use std::collections::HashSet;

use event_model::{Name, Reading, RecordedRequest};
use sha2::{Digest as _, Sha256};

use crate::decode::{Context, Decoded, Problem};
use crate::device;
use crate::json::Node;
use crate::names;
use crate::time::Moment;
use crate::walk::{NameField, Named, Part, Walk};

pub(super) use codec::{Payload, Raw};

/// A DevEUI as it is kept: 16 hexadecimal digits in lower case. Separators between its bytes are taken out.
pub(super) fn dev_eui(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|character| !matches!(character, '-' | ':' | ' ')).collect();
    let is_eui = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_eui.then(|| digits.to_ascii_lowercase())
}

/// A device's name as it is kept: its DevEUI, else what stands in its place, in lower case.
///
/// # Errors
/// The reason why it names no device.
pub(super) fn device(text: &str) -> Result<String, &'static str> {
    dev_eui(text).map_or_else(|| device::normalise(&text.to_lowercase()), Ok)
}

/// What tells a frame from another one of the same device and counter: its payload and a number or time of its own. What
/// differs between two messages on one frame (the gateways that heard it) is not among `parts`.
pub(super) fn fingerprint<'n>(parts: impl IntoIterator<Item = Option<&'n Node>>) -> Option<[u8; 8]> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.map(Node::to_string).unwrap_or_default());
        hash.update([0]);
    }
    <[u8]>::first_chunk(&hash.finalize()).copied()
}

/// A frame of a device, as far as its readings need it.
pub(super) struct Frame<'a> {
    pub(super) device: &'a Name,
    pub(super) context: Context<'a>,
    pub(super) moment: Moment,
}

impl Frame<'_> {
    /// Adds what a codec decoded, which stands at `place`; without a codec there is nothing. `name` names its fields.
    ///
    /// # Errors
    /// The problem, where there are more readings than one object may hold; then none of them is added.
    pub(super) fn add(
        &self,
        object: Option<&Node>,
        place: &str,
        name: NameField<'_>,
        decoded: &mut Decoded,
    ) -> Result<(), Problem> {
        match object {
            None => Ok(()),
            Some(Node::Object(object)) => {
                let place_prefix = &format!("{place}.");
                let walk = Walk {
                    place_prefix,
                    name,
                    reads_quantities: true,
                    ..Walk::by_table(self.context, self.device, self.moment)
                };
                walk.add(object, decoded)
            }
            Some(other) => {
                let reason = format!("expected an object, found {}", other.kind());
                decoded.problems.push(Problem::new(place, reason));
                Ok(())
            }
        }
    }
}

/// Leaves out what `stated` has too, in the same channel or in one of its own: there its unit is certain, and a codec's own
/// values may be in any.
pub(super) fn leave_out_what_is_stated(decoded: &mut Decoded, stated: &Decoded) {
    let known: HashSet<_> = stated
        .readings()
        .flat_map(|(sample, reading)| ["", &*sample.channel].map(|channel| (channel, &*reading.metric)))
        .collect();
    for sample in &mut decoded.samples {
        let is_new = |reading: &Reading| !known.contains(&(&*sample.channel, &*reading.metric));
        sample.readings.retain(is_new);
    }
    decoded.samples.retain(|sample| !sample.readings.is_empty());
}

/// Takes session keys out of a JSON body: a device whose payloads the application decrypts itself has the key in its
/// uplinks and join events, in plain where no KEK is set. A body that is no JSON is left to `inspect`, which refuses it.
///
/// Source: `app_s_key` in `ttn/lorawan/v3/messages.proto`; `JoinServerContext` in ChirpStack's `common/common.proto`.
pub(super) fn take_out_key(request: &mut RecordedRequest, key: &str) {
    let is_named = request.body.windows(key.len()).any(|window| window == key.as_bytes());
    if is_named && let Ok(mut body) = Node::parse(&request.body) {
        without(&mut body, key);
        request.body = body.to_string().into();
    }
}

/// The depth is bounded by the parser.
fn without(node: &mut Node, key: &str) {
    match node {
        Node::Object(members) => {
            members.shift_remove(key);
            members.values_mut().for_each(|member| without(&mut member.node, key));
        }
        Node::List(items) => items.iter_mut().for_each(|item| without(item, key)),
        _ => {}
    }
}

/// Names what a codec decoded: by the table, and what tells its sensors apart as the channel.
///
/// - `TempC_DS18B20`: vendors put the model of a second probe behind the name.
/// - `temperature_7`: The Things Stack's CayenneLPP formatter puts the channel's number there.
/// - `{"temperatureSensor": {"7": 21.5}}`: ChirpStack's CayenneLPP codec puts it below the name.
/// - `Bat` is in volts with those who call it so (Dragino).
pub(super) fn name_field(parents: &[Cow<'_, str>], key: &str) -> Named {
    let Named::Metric { metric, unit, part } = Named::by_table(key) else { return Named::Skip };
    if metric == "battery" && names::squeezes_to(key, "bat") {
        return Named::Metric { metric: Name::known("battery_voltage"), unit, part };
    }
    if names::default_unit(&metric).is_some() {
        return Named::Metric { metric, unit, part };
    }
    let known = |name: &str| Some(names::metric(name)).filter(|metric| names::default_unit(metric).is_some());
    if let Some((name, number)) = key.rsplit_once('_')
        && (is_number(number) || is_model(number))
        && let Some(metric) = known(name)
    {
        return Named::Metric { metric, unit: None, part: Some(Part::Below(number.to_owned())) };
    }
    if is_number(key)
        && let [.., name] = parents
        && let Some(metric) = known(name.strip_suffix("Sensor").unwrap_or(name))
    {
        return Named::Metric { metric, unit: None, part: Some(Part::Beside(key.to_owned())) };
    }
    Named::Metric { metric, unit, part }
}

/// A channel's number.
fn is_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A sensor's model: capitals and digits, both of them (`DS18B20`, `SHT31`, `BME280`).
fn is_model(text: &str) -> bool {
    text.len() >= 4
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{dev_eui, name_field};
    use crate::walk::{Named, Part};

    #[test]
    fn a_dev_eui_has_one_spelling() {
        for text in ["A8404194A1875FF3", "a8-40-41-94-a1-87-5f-f3", "a8:40:41:94:A1:87:5F:F3"] {
            assert_eq!(dev_eui(text).as_deref(), Some("a8404194a1875ff3"));
        }
        assert_eq!(dev_eui("eui-a840"), None);
    }

    #[test]
    fn a_probes_model_is_a_part_of_the_channel() {
        let named = |metric: &str, part: Option<&str>| Named::Metric {
            metric: metric.into(),
            unit: None,
            part: part.map(|part| Part::Below(part.to_owned())),
        };
        assert_eq!(name_field(&[], "TempC_DS18B20"), named("temperature", Some("DS18B20")));
        assert_eq!(name_field(&["x".into()], "Hum_SHT31"), named("relative_humidity", Some("SHT31")));
        assert_eq!(name_field(&[], "TempC_SHT"), named("temperature", None));
        assert_eq!(name_field(&[], "temp_SOIL"), named("soil_temperature", None));
        assert_eq!(name_field(&[], "battery_status1"), named("battery_status1", None));
        assert_eq!(name_field(&[], "RSSI"), Named::Skip);
    }

    #[test]
    fn a_channels_number_is_the_channel() {
        let named =
            |metric: &str, part: Option<Part>| Named::Metric { metric: metric.into(), unit: None, part };
        let part = |number: &str| Some(Part::Below(number.to_owned()));
        let beside = |number: &str| Some(Part::Beside(number.to_owned()));
        let below = |parent: &str, key: &str| name_field(&[parent.into()], key);
        assert_eq!(name_field(&[], "temperature_7"), named("temperature", part("7")));
        assert_eq!(name_field(&[], "barometric_pressure_3"), named("pressure", part("3")));
        assert_eq!(name_field(&[], "PM2_5"), named("pm2_5", None));
        assert_eq!(name_field(&[], "pm2_5_1"), named("pm2_5", part("1")));
        assert_eq!(name_field(&[], "analog_in_2"), named("analog_in_2", None));
        assert_eq!(below("temperatureSensor", "7"), named("temperature", beside("7")));
        assert_eq!(below("illuminanceSensor", "1"), named("illuminance", beside("1")));
        assert_eq!(below("barometer", "3"), named("pressure", beside("3")));
        assert_eq!(below("analogInput", "3"), named("3", None));
    }

    #[test]
    fn a_battery_is_in_volts_where_codecs_call_it_bat() {
        let metric = |key: &str| match name_field(&[], key) {
            Named::Metric { metric, .. } => metric,
            Named::Skip => panic!("{key} is a reading"),
        };
        assert_eq!(metric("Bat"), "battery_voltage");
        assert_eq!(metric("battery"), "battery");
    }
}
