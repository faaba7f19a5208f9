//! What the LoRaWAN network servers share: device addresses and the names that codecs give.

use event_model::RecordedRequest;

use crate::json::Node;
use crate::names;
use crate::walk::Named;

/// A DevEUI as it is kept: 16 hexadecimal digits in lower case. Separators between its bytes are taken out.
pub(super) fn dev_eui(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|character| !matches!(character, '-' | ':' | ' ')).collect();
    let is_eui = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_eui.then(|| digits.to_ascii_lowercase())
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

/// Names what a codec decoded: by the table, and `TempC_DS18B20` as the temperature of the channel `DS18B20`, since
/// vendors put the model of a second probe behind the name.
pub(super) fn name_field(parents: &[String], key: &str) -> Named {
    let Named::Metric { metric, unit, channel } = Named::by_table(key) else { return Named::Skip };
    let probe =
        key.split_once('_').filter(|(_, probe)| is_model(probe) && names::default_unit(&metric).is_none());
    match probe.map(|(name, probe)| (names::metric(name), probe)) {
        Some((metric, probe)) if names::default_unit(&metric).is_some() => {
            let channel = parents.iter().map(String::as_str).chain([probe]).collect::<Vec<_>>().join(".");
            Named::Metric { metric, unit, channel: Some(channel) }
        }
        _ => Named::Metric { metric, unit, channel },
    }
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
    use crate::walk::Named;

    #[test]
    fn a_dev_eui_has_one_spelling() {
        for text in ["A8404194A1875FF3", "a8-40-41-94-a1-87-5f-f3", "a8:40:41:94:A1:87:5F:F3"] {
            assert_eq!(dev_eui(text).as_deref(), Some("a8404194a1875ff3"));
        }
        assert_eq!(dev_eui("eui-a840"), None);
    }

    #[test]
    fn a_probes_model_is_the_channel() {
        let named = |metric: &str, channel: Option<&str>| Named::Metric {
            metric: metric.into(),
            unit: None,
            channel: channel.map(Into::into),
        };
        assert_eq!(name_field(&[], "TempC_DS18B20"), named("temperature", Some("DS18B20")));
        assert_eq!(name_field(&["x".into()], "Hum_SHT31"), named("relative_humidity", Some("x.SHT31")));
        assert_eq!(name_field(&[], "TempC_SHT"), named("temperature", None));
        assert_eq!(name_field(&[], "temp_SOIL"), named("soil_temperature", None));
        assert_eq!(name_field(&[], "battery_status1"), named("battery_status1", None));
        assert_eq!(name_field(&[], "RSSI"), Named::Skip);
    }
}
