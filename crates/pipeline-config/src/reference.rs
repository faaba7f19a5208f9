//! Names that one section declares and another uses. A source with a mistake in it is still a source.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use settings::yaml::{Node, Value};
use settings::{Parsed, Report, Schema, Shape, suggest};

/// A name of `what`, which must be among `declared`.
pub(crate) fn known(what: &str, declared: &BTreeSet<&str>) -> impl Shape<Value = String> {
    Parsed::new(move |name| find(what, name, declared))
}

/// The name, where it is among `declared`; else the mistake.
pub(crate) fn find(what: &str, name: &str, declared: &BTreeSet<&str>) -> Result<String, String> {
    if declared.contains(name) {
        return Ok(name.to_owned());
    }
    Err(format!("no {what} is named `{name}`{}", suggest::hint(name, declared.iter().copied())))
}

/// A list of receivers, each once.
pub(crate) fn receivers(declared: &BTreeSet<&str>) -> impl Shape<Value = Vec<String>> {
    Receivers(known("receiver", declared))
}

struct Receivers<S>(S);

impl<S: Shape<Value = String>> Shape for Receivers<S> {
    type Value = Vec<String>;

    fn read(&self, node: &Node, report: &Report) -> Option<Vec<String>> {
        let mut found = Vec::new();
        match &node.value {
            Value::List(items) if items.is_empty() => report.mistake(node.place, "the list is empty"),
            Value::List(items) => {
                for item in items {
                    let Some(name) = self.0.read(item, report) else { continue };
                    if found.contains(&name) {
                        report.mistake(item.place, format!("receiver `{name}` is here twice"));
                    } else {
                        found.push(name);
                    }
                }
            }
            _ => report.expected(node, "a list"),
        }
        Some(found)
    }

    fn schema(&self, schema: &Schema) -> Json {
        json!({"type": "array", "items": self.0.schema(schema), "minItems": 1, "uniqueItems": true})
    }
}
