//! One attribute in each of its representations.
//!
//! Source: "FIWARE-NGSI v2 Specification", "JSON Attribute Representation", "Special Attribute Types"; ETSI GS CIM 009 (NGSI-LD), 4.5.2
//! "Property" and 4.5.4 to 4.5.6 (concise, simplified), 4.5.5 "Multi-Attribute support"; FIWARE IoT Agent Node Lib, "TimeInstant".

use super::time::{self, plain};
use crate::json::Node;

/// Types of attributes that are no values: links, words in languages, times, and the state of commands of IoT Agents.
const NO_VALUES: [&str; 9] = [
    "Relationship",
    "ListRelationship",
    "LanguageProperty",
    "DateTime",
    "Date",
    "Time",
    "ISO8601",
    "commandStatus",
    "commandResult",
];

/// The members in which a value may stand.
const VALUES: [&str; 3] = ["value", "valueList", "vocab"];

/// The members that stand for a value where there is none.
const LINKS: [&str; 3] = ["object", "objectList", "languageMap"];

/// The metadata of NGSI-v2 that say when a value was measured.
const TIMES: [&str; 5] = ["observedAt", "TimeInstant", "timestamp", "dateObserved", "observationDateTime"];

/// The metadata of NGSI-v2 that say in which unit a value is.
const UNITS: [&str; 4] = ["unitCode", "unit", "units", "unitText"];

/// What stands for a value that was deleted.
const DELETED: &str = "urn:ngsi-ld:null";

/// An instance of an attribute.
#[derive(Clone, Copy)]
pub(super) struct Instance<'n> {
    pub(super) value: &'n Node,
    /// The unit, mostly a code of UN/CEFACT.
    pub(super) unit: Option<&'n str>,
    pub(super) observed_at: Option<&'n Node>,
    /// What tells several instances of one attribute apart (`datasetId`).
    pub(super) dataset: Option<&'n str>,
    /// Its place in the list of instances, where there is one.
    pub(super) index: Option<usize>,
    /// It is a place as a text, latitude first (`geo:point`).
    pub(super) is_point: bool,
    /// What stands between the attribute and its value in the body: `.value`, or nothing.
    pub(super) path: &'static str,
}

/// The instances of an attribute. Links, times and what was deleted are none.
pub(super) fn instances(node: &Node) -> Vec<Instance<'_>> {
    let is_instance = |item: &Node| {
        let has = |key: &&str| item.get(key).is_some();
        VALUES.iter().chain(&LINKS).any(has) && item.as_object().is_some()
    };
    match node {
        Node::List(items) if !items.is_empty() && items.iter().all(is_instance) => {
            let numbered = |(index, item)| Some(Instance { index: Some(index), ..instance(item)? });
            items.iter().enumerate().filter_map(numbered).collect()
        }
        other => instance(other).into_iter().collect(),
    }
}

fn instance(node: &Node) -> Option<Instance<'_>> {
    let bare = Instance {
        value: node,
        unit: None,
        observed_at: None,
        dataset: None,
        index: None,
        is_point: false,
        path: "",
    };
    if node.as_object().is_none() {
        return valued(bare);
    }
    let kind = node.get("type").or_else(|| node.get("@type")).and_then(Node::as_str).unwrap_or_default();
    let is_link = LINKS.iter().any(|key| node.get(key).is_some());
    if NO_VALUES.contains(&kind) || is_link || node.get("deletedAt").is_some() {
        return None;
    }
    let has = |key: &str| node.as_object().is_some_and(|members| members.contains_key(key));
    // The member of a `JsonProperty` is called after its type.
    let own = kind.strip_suffix("Property").unwrap_or_default().to_ascii_lowercase();
    let Some(key) = VALUES.into_iter().chain([own.as_str()]).find(|key| !key.is_empty() && has(key)) else {
        return valued(Instance { value: node.get("@value").unwrap_or(node), ..bare });
    };
    let path = if key == "value" { ".value" } else { "" };
    let metadata = |key: &&str| node.at(&["metadata", key]).and_then(plain);
    let unit = node.get("unitCode").and_then(plain).or_else(|| UNITS.iter().find_map(metadata));
    valued(Instance {
        value: node.get(key)?,
        unit: unit.and_then(Node::as_str).map(str::trim).filter(|unit| !unit.is_empty()),
        observed_at: node.get("observedAt").and_then(plain).or_else(|| TIMES.iter().find_map(metadata)),
        dataset: node.get("datasetId").and_then(Node::as_str),
        index: None,
        is_point: kind == "geo:point",
        path,
    })
}

/// The instance with its value out of a typed literal of JSON-LD; `None` where that is a time, a link or nothing.
fn valued(instance: Instance<'_>) -> Option<Instance<'_>> {
    let value = instance.value;
    let kind = value.get("@type").and_then(Node::as_str).unwrap_or_default();
    let value = value.get("@value").unwrap_or(value);
    let is_none = match value {
        Node::Null => true,
        Node::Text(text) => text == DELETED || time::is_time(text),
        _ => false,
    };
    let kind = kind.rsplit(['/', '#', ':']).next().unwrap_or_default();
    (!is_none && !NO_VALUES.contains(&kind)).then_some(Instance { value, ..instance })
}
