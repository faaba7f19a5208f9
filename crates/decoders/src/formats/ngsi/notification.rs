//! The envelope of a notification, and the entities in it.
//!
//! Source: "FIWARE-NGSI v2 Specification", "Notification Messages", "Simplified Entity Representation"; Orion's manual, `simplifiedNormalized`
//! and `simplifiedKeyValues`; ETSI GS CIM 009 (NGSI-LD), 5.3.1 "Notification", 4.5.16 "GeoJSON representation".

use crate::decode::Problem;
use crate::json::{Member, Node, Object};

use super::entity::Entity;

/// Why a JSON object is no notification.
pub(super) const NOT_ONE: &str =
    "expected a notification of a context broker with data, or an entity with id, found neither";

/// What stands in the place of names where the source's address has none.
const NO_NAMES: &str = "values without names: set attrsFormat to normalized or keyValues, or add `?attrs=` with the subscription's \
    attributes to the address";

/// A notification.
pub(super) struct Notification {
    /// The id that NGSI-LD gives it.
    pub(super) id: Option<String>,
    pub(super) notified_at: Option<Node>,
    /// What is no entity is kept as the problem that it is.
    pub(super) items: Vec<Result<Entity, Problem>>,
}

impl Notification {
    /// The notification in a body; `names` are those of the attributes where entities come as values alone. `None` where there
    /// is none.
    pub(super) fn of(mut body: Node, names: Option<&str>) -> Option<Self> {
        let names: Vec<_> = names
            .into_iter()
            .flat_map(|names| names.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let is_ld = body.get("type").and_then(Node::as_str) == Some("Notification");
        let is_one = is_ld || ["subscriptionId", "notifiedAt"].iter().any(|key| body.get(key).is_some());
        let id = body.get("id").and_then(Node::as_str).filter(|_| is_ld).map(str::to_owned);
        let notified_at = body.get("notifiedAt").cloned();
        let mut take = |key: &str| body.get(key).is_some().then(|| members(&mut body)?.swap_remove(key))?;
        let items = if let Some(responses) = take("contextResponses") {
            listed(responses.node, "contextResponses", &|node, place| legacy(node, place))?
        } else if is_one {
            let data = take("data")?.node;
            listed(data, "data", &|node, place| item(node, place, &names))?
        } else {
            let is_entity =
                ["id", "@id"].iter().any(|key| body.get(key).is_some_and(|id| id.as_str().is_some()));
            is_entity.then(|| vec![item(body, String::new(), &names)])?
        };
        Some(Self { id, notified_at, items })
    }
}

fn members(node: &mut Node) -> Option<&mut Object> {
    if let Node::Object(members) = node { Some(members) } else { None }
}

type Item = Result<Entity, Problem>;

/// The items of a list, of a collection of GeoJSON features, or the one there is.
fn listed(node: Node, place: &str, read: &dyn Fn(Node, String) -> Item) -> Option<Vec<Item>> {
    let all = |items: Vec<Node>, place: &str| {
        items.into_iter().enumerate().map(|(index, item)| read(item, format!("{place}[{index}]"))).collect()
    };
    match node {
        Node::List(items) => Some(all(items, place)),
        Node::Object(mut members) => match members.swap_remove("features").map(|member| member.node) {
            Some(Node::List(features)) => Some(all(features, &format!("{place}.features"))),
            _ => Some(vec![read(Node::Object(members), place.to_owned())]),
        },
        _ => None,
    }
}

/// An entity: an object of its attributes, a feature of GeoJSON with them, or an array of their values.
fn item(node: Node, place: String, names: &[&str]) -> Item {
    match node {
        Node::Object(mut members) => {
            let is_feature = members.get("type").is_some_and(|kind| kind.node.as_str() == Some("Feature"));
            let Some(Member { node: Node::Object(mut properties), .. }) =
                is_feature.then(|| members.swap_remove("properties")).flatten()
            else {
                return Ok(Entity::of(*members, place));
            };
            properties.extend(members.swap_remove_entry("id"));
            Ok(Entity::of(*properties, format!("{place}.properties")))
        }
        Node::List(_) if names.is_empty() => Err(Problem::new(place, NO_NAMES)),
        Node::List(values) if values.len() > names.len() => {
            let reason = format!(
                "expected at most {} values, one for each of `attrs`, found {}",
                names.len(),
                values.len()
            );
            Err(Problem::new(place, reason))
        }
        Node::List(values) => {
            let named = names.iter().zip(values).map(|(name, node)| ((*name).into(), once(node)));
            Ok(Entity::of(named.collect(), place))
        }
        other => Err(Problem::new(place, format!("expected an entity, found {}", other.kind()))),
    }
}

fn once(node: Node) -> Member {
    Member { node, repeated: false }
}

/// An entity as NGSI-v1 has it, with its attributes and their metadata in arrays, as one of NGSI-v2.
fn legacy(mut response: Node, place: String) -> Item {
    let element = members(&mut response).and_then(|members| members.swap_remove("contextElement"));
    let Some(Member { node: Node::Object(mut element), .. }) = element else {
        return Err(Problem::new(place, "expected a contextElement, found none"));
    };
    let attributes = element.swap_remove("attributes").map(|member| member.node);
    element.retain(|key, _| matches!(key.as_str(), "id" | "type"));
    if let Some(Node::List(attributes)) = attributes {
        add_named(&mut element, attributes);
    }
    Ok(Entity::of(*element, format!("{place}.contextElement")))
}

/// Adds objects that have a `name` under it.
fn add_named(to: &mut Object, items: Vec<Node>) {
    for mut item in items {
        let Some(name) = item.get("name").and_then(Node::as_str).map(Into::into) else { continue };
        let Some(own) = members(&mut item) else { continue };
        if let Some(Member { node: Node::List(metadata), .. }) = own.swap_remove("metadatas") {
            let mut named = Box::<Object>::default();
            add_named(&mut named, metadata);
            own.insert("metadata".into(), once(Node::Object(named)));
        }
        let before = to.insert(name, once(item));
        if before.is_some()
            && let Some((_, member)) = to.last_mut()
        {
            member.repeated = true;
        }
    }
}
