//! What a value may be: how it is read, and the JSON Schema (draft 2020-12) of it.

use std::cell::RefCell;

use serde_json::{Map, Value as Json, json};

use crate::node::Node;
use crate::report::Report;

/// How a value is read, and what the JSON Schema says of it.
pub trait Shape {
    /// What reading gives.
    type Value;

    /// Reads the value; what is wrong is noted, and then there is none.
    fn read(&self, node: &Node, report: &Report) -> Option<Self::Value>;

    /// Its JSON Schema (draft 2020-12). What has a name goes into `schema`, and this is the reference to it.
    fn schema(&self, schema: &Schema) -> Json;
}

/// A shape whose values can be written down again, for the defaults in the JSON Schema.
pub trait Spelling: Shape {
    /// The value as the file would write it.
    fn spell(&self, value: &Self::Value) -> Json;
}

/// A shape of its own: a JSON Schema and a function that reads.
pub struct Custom<F> {
    schema: Json,
    read: F,
}

impl<T, F: Fn(&Node, &Report) -> Option<T>> Custom<F> {
    /// `read` notes what is wrong itself.
    pub fn new(schema: Json, read: F) -> Self {
        Self { schema, read }
    }
}

impl<T, F: Fn(&Node, &Report) -> Option<T>> Shape for Custom<F> {
    type Value = T;

    fn read(&self, node: &Node, report: &Report) -> Option<T> {
        (self.read)(node, report)
    }

    fn schema(&self, _: &Schema) -> Json {
        self.schema.clone()
    }
}

impl<T: Clone + Into<Json>, F: Fn(&Node, &Report) -> Option<T>> Spelling for Custom<F> {
    fn spell(&self, value: &T) -> Json {
        value.clone().into()
    }
}

impl<S: Shape + ?Sized> Shape for &S {
    type Value = S::Value;

    fn read(&self, node: &Node, report: &Report) -> Option<S::Value> {
        (**self).read(node, report)
    }

    fn schema(&self, schema: &Schema) -> Json {
        (**self).schema(schema)
    }
}

/// The definitions so far: shapes that have a name stand in the schema once.
#[derive(Debug, Default)]
pub struct Schema {
    definitions: RefCell<Map<String, Json>>,
}

impl Schema {
    /// The whole schema of a file that is `shape`.
    pub fn root(shape: &impl Shape) -> Json {
        let schema = Self::default();
        let reference = shape.schema(&schema);
        let mut definitions = schema.definitions.into_inner();
        let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let mut root = definitions.remove(name).unwrap_or(reference);
        root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        root["$defs"] = Json::Object(definitions);
        root
    }

    /// A reference to the definition of this name, which `make` gives where it is not there yet.
    pub fn define(&self, name: &str, make: impl FnOnce() -> Json) -> Json {
        let known = self.definitions.borrow().contains_key(name);
        if !known {
            let definition = make();
            self.definitions.borrow_mut().insert(name.to_owned(), definition);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }
}

/// The same, or nothing: a key without a value counts as absent.
pub(crate) fn nullable(mut schema: Json) -> Json {
    match schema["type"].take() {
        Json::String(kind) => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => {
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("type");
            }
            json!({"anyOf": [schema, {"type": "null"}]})
        }
    }
}
