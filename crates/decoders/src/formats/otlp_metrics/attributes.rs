//! Attributes of resources and points: what names the device and the channel.

use super::options::Attributes;
use crate::json::Node;

/// The attributes that name a device where the source does not say; the first present wins.
///
/// Source: OpenTelemetry semantic conventions, "Device", "Host", "Service". `service.instance.id` may be another one after
/// each start, and comes last.
const DEVICE: [&str; 4] = ["device.id", "host.name", "service.name", "service.instance.id"];

/// An attribute with a value that a text can hold.
pub(super) struct Attribute<'n> {
    pub(super) key: &'n str,
    pub(super) value: String,
}

/// The attributes of a list `[{"key": ..., "value": {"stringValue": ...}}]`. Arrays, maps and bytes are left out.
pub(super) fn all(list: Option<&Node>) -> impl Iterator<Item = Attribute<'_>> {
    list.and_then(Node::as_list).unwrap_or_default().iter().filter_map(|attribute| {
        let value = text(attribute.get("value")?)?;
        Some(Attribute { key: attribute.get("key")?.as_str()?, value })
    })
}

/// An `AnyValue` of a single value as a text.
fn text(value: &Node) -> Option<String> {
    let (kind, member) = value.as_object()?.iter().next()?;
    match (kind.as_str(), &member.node) {
        ("stringValue" | "string_value", Node::Text(text)) => Some(text.to_string()),
        ("boolValue" | "bool_value", Node::Flag(flag)) => Some(flag.to_string()),
        ("intValue" | "int_value" | "doubleValue" | "double_value", number) => {
            number.as_name().map(str::to_owned)
        }
        _ => None,
    }
}

/// What some attributes say: the name of the device with its rank, and the parts of the channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Says {
    /// The place of its key among those that may name the device, and the name.
    device: Option<(usize, String)>,
    /// For each attribute of the channel, its value.
    channel: Vec<Option<String>>,
}

impl Says {
    pub(super) fn of<'n>(attributes: impl Iterator<Item = &'n Attribute<'n>>, names: &Attributes) -> Self {
        let mut says = Self { device: None, channel: vec![None; names.channel.len()] };
        for Attribute { key, value } in attributes {
            let rank = device_rank(key, names);
            if let Some(rank) = rank.filter(|rank| says.device.as_ref().is_none_or(|(best, _)| rank < best))
                && !value.trim().is_empty()
            {
                says.device = Some((rank, value.clone()));
            }
            for (name, part) in names.channel.iter().zip(&mut says.channel) {
                if name == key {
                    *part = Some(value.clone());
                }
            }
        }
        says
    }

    /// The name of the device and its key's place, of what a point says, else its resource: whichever key comes first.
    pub(super) fn device<'s>(&'s self, resource: &'s Self) -> Option<(usize, &'s str)> {
        let both = self.device.iter().chain(&resource.device);
        both.min_by_key(|(rank, _)| *rank).map(|(rank, name)| (*rank, name.as_str()))
    }

    /// The values of the channel's attributes, of a point, else of its resource.
    pub(super) fn channel(&self, resource: &Self) -> String {
        let parts = self.channel.iter().zip(&resource.channel);
        let parts: Vec<&str> = parts.filter_map(|(own, other)| own.as_deref().or(other.as_deref())).collect();
        parts.join(".")
    }
}

/// The place of a key among those that may name the device.
pub(super) fn device_rank(key: &str, names: &Attributes) -> Option<usize> {
    if names.device.is_empty() {
        return DEVICE.iter().position(|name| *name == key);
    }
    names.device.iter().position(|name| name == key)
}
