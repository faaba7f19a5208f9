//! Maps whose keys are known: read key by key, and described by the same calls.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::mistake::Place;
use crate::node::{Entry, Node, Value};
use crate::report::Report;
use crate::shape::{Schema, Shape, Spelling, nullable};
use crate::suggest;

/// A map that a function reads key by key. The same function over a map without entries gives the JSON Schema, so it
/// asks for every key before its first early return.
pub struct Fields<'a> {
    /// Where the map begins.
    pub place: Place,
    /// Where mistakes go.
    pub report: &'a Report,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
    description: Option<Description<'a>>,
}

/// What the JSON Schema will say of the map.
struct Description<'a> {
    schema: &'a Schema,
    properties: RefCell<Map<String, Json>>,
    required: RefCell<Vec<&'static str>>,
    one_of: RefCell<Vec<&'static str>>,
}

/// A map with known keys: its name in the JSON Schema, what it is, and the function that reads it.
pub struct Object<F> {
    name: &'static str,
    text: &'static str,
    read: F,
}

/// A map of several kinds, each known by a key that the others do not have.
pub struct OneOf<'f, T> {
    name: &'static str,
    text: &'static str,
    kinds: Vec<Kind<'f, T>>,
}

type Reader<'f, T> = Box<dyn Fn(&Fields<'_>) -> Option<T> + 'f>;

struct Kind<'f, T> {
    key: &'static str,
    text: &'static str,
    read: Reader<'f, T>,
}

impl<'a> Fields<'a> {
    fn over(place: Place, entries: &'a [Entry], report: &'a Report) -> Self {
        Self { place, report, entries, known: RefCell::default(), description: None }
    }

    /// Runs `read` over a map without entries: which keys does it ask for?
    pub fn keys_of<T>(read: impl Fn(&Fields<'_>) -> T) -> Vec<&'static str> {
        let report = Report::default();
        let fields = Fields::over(Place::start(0), &[], &report);
        read(&fields);
        fields.known.into_inner()
    }

    /// The value of `key`, which may be absent; a key without a value is.
    pub fn optional<S: Shape>(&self, key: &'static str, text: &str, shape: S) -> Option<S::Value> {
        self.declare(key, text, |schema| nullable(shape.schema(schema)));
        self.node(key).and_then(|node| shape.read(node, self.report))
    }

    /// The value of `key`, or `default` where it is absent.
    #[expect(clippy::needless_pass_by_value, reason = "as with the other two, shapes are made in the call")]
    pub fn or<S: Spelling>(&self, key: &'static str, text: &str, shape: S, default: S::Value) -> S::Value {
        self.declare(key, text, |schema| {
            let mut property = nullable(shape.schema(schema));
            property["default"] = shape.spell(&default);
            property
        });
        self.node(key).and_then(|node| shape.read(node, self.report)).unwrap_or(default)
    }

    /// The value of `key`, which must be there.
    pub fn required<S: Shape>(&self, key: &'static str, text: &str, shape: S) -> Option<S::Value> {
        self.declare(key, text, |schema| shape.schema(schema));
        if let Some(description) = &self.description {
            description.required.borrow_mut().push(key);
        }
        if let Some(node) = self.node(key) {
            return shape.read(node, self.report);
        }
        self.report.mistake(self.place, format!("`{key}` is missing"));
        None
    }

    /// Which of `keys`, of which the map must have one, are here. Each is declared beside this, as optional.
    pub fn one_of(&self, keys: &[&'static str]) -> Vec<&'static str> {
        if let Some(description) = &self.description {
            description.one_of.borrow_mut().extend(keys);
        }
        keys.iter().copied().filter(|key| self.has(key)).collect()
    }

    /// Whether `key` is here, be its value right or wrong.
    pub fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Where the key itself stands, or the map where it does not.
    pub fn place_of(&self, key: &str) -> Place {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.place, |entry| entry.place)
    }

    /// The keys of the map at `key`, for those who refer to them: names with mistakes in their values too.
    pub fn names_in(&self, key: &str) -> BTreeSet<&'a str> {
        match self.node(key).map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether no file is read, but the JSON Schema made.
    pub fn is_description(&self) -> bool {
        self.description.is_some()
    }

    /// Adds to what the JSON Schema says of `key`.
    pub fn remark(&self, key: &str, text: &str) {
        let Some(description) = &self.description else { return };
        if let Some(Json::String(all)) =
            description.properties.borrow_mut().get_mut(key).map(|property| &mut property["description"])
        {
            all.push_str(text);
        }
    }

    /// Looks at these keys without reading them: they are no longer unknown. `mistake` says what is wrong with one.
    pub fn refuse(&self, keys: &[&'static str], mistake: impl Fn(&str) -> Option<String>) {
        self.known.borrow_mut().extend(keys);
        for key in keys.iter().filter(|key| self.has(key)) {
            if let Some(text) = mistake(key) {
                self.report.mistake(self.place_of(key), text);
            }
        }
    }

    fn node(&self, key: &str) -> Option<&'a Node> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node).filter(|node| node.value != Value::Null)
    }

    fn declare(&self, key: &'static str, text: &str, property: impl FnOnce(&Schema) -> Json) {
        self.known.borrow_mut().push(key);
        if let Some(description) = &self.description {
            let mut property = property(description.schema);
            property["description"] = text.into();
            description.properties.borrow_mut().insert(key.to_owned(), property);
        }
    }

    /// Complains about every key that was not asked for.
    fn close(self) {
        let known = self.known.into_inner();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = suggest::hint(&entry.key, known.iter().copied());
            self.report.mistake(entry.place, format!("unknown key `{}`{hint}", entry.key));
        }
    }
}

/// The entries of a map.
fn map<'a>(node: &'a Node, report: &Report) -> Option<&'a [Entry]> {
    if let Value::Map(entries) = &node.value {
        return Some(entries);
    }
    report.expected(node, "a map");
    None
}

/// The JSON Schema of the map that `read` reads.
fn describe<T>(text: &str, schema: &Schema, read: impl Fn(&Fields<'_>) -> T) -> Json {
    let report = Report::default();
    let mut fields = Fields::over(Place::start(0), &[], &report);
    fields.description = Some(Description {
        schema,
        properties: RefCell::default(),
        required: RefCell::default(),
        one_of: RefCell::default(),
    });
    read(&fields);
    let mut object = json!({"type": "object", "description": text, "additionalProperties": false});
    if let Some(description) = fields.description {
        object["properties"] = Json::Object(description.properties.into_inner());
        let (required, one_of) = (description.required.into_inner(), description.one_of.into_inner());
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        if !one_of.is_empty() {
            object["oneOf"] = one_of.iter().map(|key| json!({"required": [key]})).collect();
        }
    }
    object
}

impl<T, F: Fn(&Fields<'_>) -> Option<T>> Object<F> {
    /// A map that `read` reads.
    pub fn new(name: &'static str, text: &'static str, read: F) -> Self {
        Self { name, text, read }
    }
}

impl<T, F: Fn(&Fields<'_>) -> Option<T>> Shape for Object<F> {
    type Value = T;

    fn read(&self, node: &Node, report: &Report) -> Option<T> {
        let fields = Fields::over(node.place, map(node, report)?, report);
        let value = (self.read)(&fields);
        fields.close();
        value
    }

    fn schema(&self, schema: &Schema) -> Json {
        schema.define(self.name, || describe(self.text, schema, &self.read))
    }
}

impl<'f, T> OneOf<'f, T> {
    /// A map of no kind yet.
    pub fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, kinds: Vec::new() }
    }

    /// Adds the kind that `key` tells; `read` asks for it too.
    #[must_use]
    pub fn kind(
        mut self,
        key: &'static str,
        text: &'static str,
        read: impl Fn(&Fields<'_>) -> Option<T> + 'f,
    ) -> Self {
        self.kinds.push(Kind { key, text, read: Box::new(read) });
        self
    }

    fn expected(&self) -> String {
        match &self.kinds[..] {
            [one, other] => format!("expected one of `{}` and `{}`", one.key, other.key),
            kinds => {
                let keys: Vec<_> = kinds.iter().map(|kind| kind.key).collect();
                format!("expected one of: {}", keys.join(", "))
            }
        }
    }
}

impl<T> Shape for OneOf<'_, T> {
    type Value = T;

    fn read(&self, node: &Node, report: &Report) -> Option<T> {
        let fields = Fields::over(node.place, map(node, report)?, report);
        let mut present = self.kinds.iter().filter(|kind| fields.has(kind.key));
        let value = match (present.next(), present.next()) {
            (Some(kind), None) => {
                fields.known.borrow_mut().extend(self.kinds.iter().map(|kind| kind.key));
                (kind.read)(&fields)
            }
            _ => {
                report.mistake(node.place, self.expected());
                let all = self.kinds.iter().flat_map(|kind| Fields::keys_of(&kind.read));
                fields.known.borrow_mut().extend(all);
                None
            }
        };
        fields.close();
        value
    }

    fn schema(&self, schema: &Schema) -> Json {
        schema.define(self.name, || {
            let kinds: Json = self.kinds.iter().map(|kind| describe(kind.text, schema, &kind.read)).collect();
            json!({"description": self.text, "oneOf": kinds})
        })
    }
}
