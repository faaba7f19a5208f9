//! Lists, and maps whose keys the file chooses.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value as Json, json};

use crate::mistake::Place;
use crate::node::{Entry, Node, Value};
use crate::report::Report;
use crate::scalar::AnyText;
use crate::shape::{Schema, Shape};

/// A list that is not empty.
#[derive(Debug, Clone, Copy)]
pub struct List<S>(pub S);

/// One value, or a list of them that is not empty.
#[derive(Debug, Clone, Copy)]
pub struct OneOrMany<S>(pub S);

/// A map from names that others refer to: letters, digits, `-`, `_` and `.`. What they name, and the values' shape.
#[derive(Debug, Clone, Copy)]
pub struct ByName<S>(pub &'static str, pub S);

/// An entry of [`ByName`] or of [`Keyed`].
#[derive(Debug, Clone, PartialEq)]
pub struct Named<T> {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// Its value.
    pub value: T,
}

/// A map from free names to values; a function checks a name, another gives the shape of its value.
pub struct Entries<C, V> {
    check: C,
    value: V,
}

/// A map from free names to values, each with its place, in the order of the file; a function reads a name, another gives the
/// shape of its value.
pub struct Keyed<K, V> {
    key: K,
    value: V,
}

impl<E: fmt::Display, K: Fn(&str) -> Result<String, E>, S: Shape, V: Fn(&str) -> S> Keyed<K, V> {
    /// `key` gives a name as it counts, or what is wrong with it.
    pub fn new(key: K, value: V) -> Self {
        Self { key, value }
    }
}

impl<C: Fn(&Entry, &Report), S: Shape, V: Fn(&str) -> S> Entries<C, V> {
    /// `check` notes what is wrong with a name.
    pub fn new(check: C, value: V) -> Self {
        Self { check, value }
    }
}

/// A map from names to texts; a number or flag is taken as it is spelt.
pub fn text_map() -> impl Shape<Value = BTreeMap<String, String>> {
    Entries::new(refuse_unnamed, |_| AnyText)
}

/// Notes a name that is empty or holds control characters.
pub fn refuse_unnamed(entry: &Entry, report: &Report) {
    if entry.key.is_empty() || entry.key.chars().any(char::is_control) {
        report.mistake(entry.place, "a name is missing here");
    }
}

/// The entries of a map.
fn entries<'a>(node: &'a Node, report: &Report) -> &'a [Entry] {
    if let Value::Map(entries) = &node.value {
        return entries;
    }
    report.expected(node, "a map");
    &[]
}

fn read_all<S: Shape>(shape: &S, nodes: &[Node], report: &Report) -> Vec<S::Value> {
    nodes.iter().filter_map(|node| shape.read(node, report)).collect()
}

impl<S: Shape> Shape for List<S> {
    type Value = Vec<S::Value>;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        match &node.value {
            Value::List(items) if items.is_empty() => report.mistake(node.place, "the list is empty"),
            Value::List(items) => return Some(read_all(&self.0, items, report)),
            _ => report.expected(node, "a list"),
        }
        None
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"type": "array", "items": self.0.schema(schema), "minItems": 1})
    }
}

impl<S: Shape> Shape for OneOrMany<S> {
    type Value = Vec<S::Value>;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        match &node.value {
            Value::List(_) => List(&self.0).read(node, report),
            _ => self.0.read(node, report).map(|value| vec![value]),
        }
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"anyOf": [self.0.schema(schema), List(&self.0).schema(schema)]})
    }
}

impl<S: Shape> Shape for ByName<S> {
    type Value = Vec<Named<S::Value>>;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        let named = |entry: &Entry| {
            if !is_name(&entry.key) {
                report.mistake(
                    entry.place,
                    format!(
                        "the name of a {} is 1 to 63 letters, digits, `-`, `_` and `.`, and begins with a letter or digit",
                        self.0
                    ),
                );
            }
            let value = self.1.read(&entry.node, report)?;
            Some(Named { name: entry.key.clone(), place: entry.place, value })
        };
        Some(entries(node, report).iter().filter_map(named).collect())
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({
            "type": "object",
            "additionalProperties": false,
            "patternProperties": {"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$": self.1.schema(schema)}
        })
    }
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits)
}

impl<C: Fn(&Entry, &Report), S: Shape, V: Fn(&str) -> S> Shape for Entries<C, V> {
    type Value = BTreeMap<String, S::Value>;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        let mut map = BTreeMap::new();
        for entry in entries(node, report) {
            (self.check)(entry, report);
            let value = (self.value)(&entry.key).read(&entry.node, report);
            map.extend(value.map(|value| (entry.key.clone(), value)));
        }
        Some(map)
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"type": "object", "additionalProperties": (self.value)("").schema(schema)})
    }
}

impl<E: fmt::Display, K: Fn(&str) -> Result<String, E>, S: Shape, V: Fn(&str) -> S> Shape for Keyed<K, V> {
    type Value = Vec<Named<S::Value>>;

    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value> {
        let named = |entry: &Entry| {
            let name = (self.key)(&entry.key).map_err(|error| report.mistake(entry.place, error.to_string()));
            let value = (self.value)(&entry.key).read(&entry.node, report);
            Some(Named { name: name.ok()?, place: entry.place, value: value? })
        };
        Some(entries(node, report).iter().filter_map(named).collect())
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"type": "object", "additionalProperties": (self.value)("").schema(schema)})
    }
}
