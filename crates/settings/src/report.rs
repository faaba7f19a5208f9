//! Gathers what is wrong while the reader goes on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

use crate::mistake::{Mistake, Place};
use crate::node::Node;

/// Mistakes and warnings so far.
#[derive(Debug, Default)]
pub struct Report {
    files: Vec<String>,
    attachments: BTreeMap<String, Vec<u8>>,
    used: RefCell<BTreeSet<String>>,
    mistakes: RefCell<Vec<(Place, String)>>,
    warnings: RefCell<Vec<(Place, String)>>,
    advice: RefCell<Vec<(Place, String)>>,
}

/// All that was found, in the order of the files and of their lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Findings {
    /// What makes the files unusable.
    pub mistakes: Vec<Mistake>,
    /// What will hurt, though it is no mistake.
    pub warnings: Vec<Mistake>,
    /// What hurts only under a condition that the files do not tell.
    pub advice: Vec<Mistake>,
}

impl Report {
    /// A report about files of these names.
    pub fn of<N: Into<String>>(files: impl IntoIterator<Item = N>) -> Self {
        Self { files: files.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The same, where files that are no YAML lie beside them: their names and bytes.
    #[must_use]
    pub fn with_attachments(self, attachments: BTreeMap<String, Vec<u8>>) -> Self {
        Self { attachments, ..self }
    }

    /// The bytes of the file of this name, which is part of the whole from now on; `None` where there is none.
    pub fn attachment(&self, name: &str) -> Option<&[u8]> {
        let (name, bytes) = self.attachments.get_key_value(name)?;
        self.used.borrow_mut().insert(name.clone());
        Some(bytes)
    }

    /// The attachments that were asked for, by name.
    pub fn used_attachments(&self) -> Vec<(String, Vec<u8>)> {
        let used = self.used.borrow();
        let used = self.attachments.iter().filter(|(name, _)| used.contains(*name));
        used.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
    }

    /// Notes a mistake.
    pub fn mistake(&self, place: Place, text: impl Into<String>) {
        self.mistakes.borrow_mut().push((place, text.into()));
    }

    /// Notes a mistake of type: `expected a number, found a list`.
    pub fn expected(&self, node: &Node, what: &str) {
        self.mistake(node.place, format!("expected {what}, found {}", node.value.noun()));
    }

    /// Notes what will hurt.
    pub fn warn(&self, place: Place, text: impl Into<String>) {
        self.warnings.borrow_mut().push((place, text.into()));
    }

    /// Notes what hurts only under a condition that the files do not tell.
    pub fn advise(&self, place: Place, text: impl Into<String>) {
        self.advice.borrow_mut().push((place, text.into()));
    }

    /// How many mistakes were noted.
    pub fn mistakes(&self) -> usize {
        self.mistakes.borrow().len()
    }

    /// A place in words: `rules.yaml:3`.
    pub fn line_of(&self, place: Place) -> String {
        format!("{}:{}", self.name(place), place.line)
    }

    /// Mistakes and warnings, each once.
    pub fn finish(self) -> Findings {
        let sorted = |list: &RefCell<Vec<(Place, String)>>| {
            let mut list = list.take();
            list.sort();
            list.dedup();
            let mistake = |(place, text): (Place, String)| Mistake {
                file: self.name(place).to_owned(),
                line: place.line,
                column: place.column,
                text,
            };
            list.into_iter().map(mistake).collect()
        };
        Findings {
            mistakes: sorted(&self.mistakes),
            warnings: sorted(&self.warnings),
            advice: sorted(&self.advice),
        }
    }

    fn name(&self, place: Place) -> &str {
        self.files.get(place.file).map_or("", String::as_str)
    }
}

impl Error for Findings {}

/// One line a mistake: `freshet.yaml:3:5: text`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.mistakes.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
