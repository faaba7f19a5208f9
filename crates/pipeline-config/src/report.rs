//! Gathers what is wrong while the reader goes on.

use std::cell::RefCell;
use std::collections::BTreeMap;
#[cfg(test)]
use std::collections::BTreeSet;

use crate::mistake::Mistake;
use crate::yaml::{Node, Place};

/// Mistakes and warnings so far, and which keys the reader knows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
    /// (shape, key) and whether some map had it: what tests compare with the JSON Schema and the documentation.
    keys: RefCell<BTreeMap<(&'static str, &'static str), bool>>,
}

impl Report {
    /// Begins with what the YAML parser found.
    pub(crate) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes: RefCell::new(mistakes), ..Self::default() }
    }

    /// Notes a mistake.
    pub(crate) fn mistake(&self, place: Place, text: impl Into<String>) {
        self.mistakes.borrow_mut().push(place.mistake(text));
    }

    /// Notes a mistake of type: `expected a number, found a list`.
    pub(crate) fn expected(&self, node: &Node, what: &str) {
        self.mistake(node.place, format!("expected {what}, found {}", node.value.noun()));
    }

    /// Whether no mistake was noted yet.
    pub(crate) fn is_clean(&self) -> bool {
        self.mistakes.borrow().is_empty()
    }

    /// Notes what will hurt.
    pub(crate) fn warn(&self, place: Place, text: impl Into<String>) {
        self.warnings.borrow_mut().push(place.mistake(text));
    }

    /// Notes that the reader knows `key` in maps of this shape, and whether this one has it.
    pub(crate) fn key(&self, shape: &'static str, key: &'static str, present: bool) {
        *self.keys.borrow_mut().entry((shape, key)).or_default() |= present;
    }

    /// Every (shape, key) that was looked for.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> BTreeSet<(&'static str, &'static str)> {
        self.keys.borrow().keys().copied().collect()
    }

    /// Every (shape, key) that was looked for and never found.
    #[cfg(test)]
    pub(crate) fn unused(&self) -> BTreeSet<(&'static str, &'static str)> {
        self.keys.borrow().iter().filter(|(_, present)| !**present).map(|(key, _)| *key).collect()
    }

    /// Mistakes and warnings in the order of the file.
    pub(crate) fn finish(self) -> (Vec<Mistake>, Vec<Mistake>) {
        let sorted = |list: RefCell<Vec<Mistake>>| {
            let mut list = list.into_inner();
            list.sort();
            list.dedup();
            list
        };
        (sorted(self.mistakes), sorted(self.warnings))
    }
}
