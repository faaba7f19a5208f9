//! Names that one section declares and another uses.

use std::collections::BTreeSet;

use crate::report::Report;
use crate::scalar;
use crate::suggest;
use crate::yaml::{Node, Value};

/// What the file declares, right or wrong: a source with a mistake in it is still a source.
pub(crate) struct Names<'a> {
    pub(crate) sources: BTreeSet<&'a str>,
    pub(crate) rules: BTreeSet<&'a str>,
    pub(crate) receivers: BTreeSet<&'a str>,
    /// Metrics that a source names itself, in a mapping or with their unit.
    pub(crate) metrics: BTreeSet<String>,
}

/// The keys of a section.
pub(crate) fn declared(section: Option<&Node>) -> BTreeSet<&str> {
    match section.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => BTreeSet::new(),
    }
}

/// A name that must be among `declared`.
pub(crate) fn known(node: &Node, what: &str, declared: &BTreeSet<&str>, report: &Report) -> Option<String> {
    let name = scalar::text(node, report)?;
    if declared.contains(name) {
        return Some(name.to_owned());
    }
    let hint = suggest::hint(name, declared.iter().copied());
    report.mistake(node.place, format!("no {what} is named `{name}`{hint}"));
    None
}

/// A list of receivers, each once.
pub(crate) fn receivers(node: &Node, names: &Names<'_>, report: &Report) -> Vec<String> {
    let mut found = Vec::new();
    for item in scalar::list(node, report) {
        let Some(name) = known(item, "receiver", &names.receivers, report) else { continue };
        if found.contains(&name) {
            report.mistake(item.place, format!("receiver `{name}` is here twice"));
        } else {
            found.push(name);
        }
    }
    found
}
