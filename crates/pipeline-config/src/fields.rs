//! A map of known keys, read key by key.

use std::cell::RefCell;

use crate::report::Report;
use crate::suggest;
use crate::yaml::{Entry, Node, Place, Value};

/// A map whose keys are fixed. [`Fields::close`] complains about the keys that nobody asked for.
pub(crate) struct Fields<'a> {
    /// Where the map begins.
    pub(crate) place: Place,
    /// Where mistakes go.
    pub(crate) report: &'a Report,
    shape: &'static str,
    entries: &'a [Entry],
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The map at `node`; `shape` is the name of its definition in the JSON Schema.
    pub(crate) fn of(node: &'a Node, shape: &'static str, report: &'a Report) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            report.expected(node, "a map");
            return None;
        };
        Some(Self { place: node.place, report, shape, entries, known: RefCell::default() })
    }

    /// The value of `key`; a key without a value counts as absent.
    pub(crate) fn get(&self, key: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let node = entry.map(|entry| &entry.node).filter(|node| node.value != Value::Null);
        self.report.key(self.shape, key, node.is_some());
        node
    }

    /// The value of `key`, which must be there.
    pub(crate) fn require(&self, key: &'static str) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            self.report.mistake(self.place, format!("`{key}` is missing"));
        }
        node
    }

    /// Where the key itself stands, or the map where it does not.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.place, |entry| entry.place)
    }

    /// Which of `keys` are here.
    pub(crate) fn present(&self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter().copied().filter(|key| self.get(key).is_some()).collect()
    }

    /// Complains about every key that was not asked for.
    pub(crate) fn close(self) {
        let known = self.known.into_inner();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = suggest::hint(&entry.key, known.iter().copied());
            self.report.mistake(entry.place, format!("unknown key `{}`{hint}", entry.key));
        }
    }
}
