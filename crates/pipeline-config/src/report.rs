//! Gathers what is wrong while the reader goes on.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::mistake::Mistake;
use crate::yaml::{Node, Place};

/// Mistakes and warnings so far, and which keys the reader knows.
#[derive(Debug, Default)]
pub(crate) struct Report {
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
    /// (shape, key): what a test compares with the JSON Schema.
    keys: RefCell<BTreeSet<(&'static str, &'static str)>>,
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

    /// Notes that the reader knows `key` in maps of this shape.
    pub(crate) fn key(&self, shape: &'static str, key: &'static str) {
        self.keys.borrow_mut().insert((shape, key));
    }

    /// Every (shape, key) that was looked for.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> BTreeSet<(&'static str, &'static str)> {
        self.keys.borrow().clone()
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
