//! The JSON Schema (draft 2020-12) that descriptions give.

use std::cell::RefCell;

use serde_json::{Map, Value as Json, json};

use crate::shape::Shape;

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
