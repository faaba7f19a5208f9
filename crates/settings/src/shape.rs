//! What a value may be.

use serde_json::Value as Json;

use crate::report::Report;
use crate::schema::Schema;
use crate::yaml::Node;

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
