//! The tree of a file, in which every node knows its place.

use crate::mistake::Place;

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it holds.
    pub value: Value,
}

/// What a node holds. A scalar that is not text keeps its spelling, for `label: 3`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing; a key with it counts as absent.
    Null,
    /// `true` or `false`.
    Flag(bool, String),
    /// A number, also one that is not finite.
    Number(f64, String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file; no key is in it twice.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Value {
    /// What it is, for "expected a number, found a list".
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(..) => "true or false",
            Self::Number(..) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}
