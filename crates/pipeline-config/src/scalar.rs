//! Values of the file as Rust values. Each notes what is wrong and then gives `None`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use rules::Glob;

use crate::duration;
use crate::report::Report;
use crate::suggest;
use crate::yaml::{Entry, Node, Value};

/// The longest text that is taken, in bytes.
const MAX_TEXT: usize = 4096;

/// A text that is not empty.
pub(crate) fn text<'a>(node: &'a Node, report: &Report) -> Option<&'a str> {
    let Value::Text(text) = &node.value else {
        report.expected(node, "a text");
        return None;
    };
    if text.is_empty() || text.len() > MAX_TEXT {
        report.mistake(node.place, format!("expected a text of 1 to {MAX_TEXT} bytes"));
        return None;
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        report.mistake(node.place, "the text holds control characters");
        return None;
    }
    Some(text)
}

/// A text without spaces and other characters that header fields, addresses and attributes cannot carry.
pub(crate) fn word<'a>(node: &'a Node, what: &str, report: &Report) -> Option<&'a str> {
    let word = text(node, report)?;
    if word.chars().all(|c| c.is_ascii_graphic()) {
        return Some(word);
    }
    report.mistake(node.place, format!("expected {what}: printable ASCII without spaces"));
    None
}

/// A finite number.
pub(crate) fn number(node: &Node, report: &Report) -> Option<f64> {
    match node.value {
        Value::Number(number, _) if number.is_finite() => Some(number),
        Value::Number(..) => {
            report.mistake(node.place, "expected a finite number");
            None
        }
        _ => {
            report.expected(node, "a number");
            None
        }
    }
}

/// A whole number from `low` to `high`.
pub(crate) fn whole(node: &Node, low: u32, high: u32, report: &Report) -> Option<u32> {
    let number = number(node, report)?;
    if number.fract() == 0.0 && number >= f64::from(low) && number <= f64::from(high) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        return Some(number as u32);
    }
    report.mistake(node.place, format!("expected a whole number from {low} to {high}"));
    None
}

/// A duration that is 0 or more.
pub(crate) fn duration(node: &Node, report: &Report) -> Option<Duration> {
    let parsed = match &node.value {
        Value::Text(text) => duration::parse(text),
        Value::Number(0.0, _) => Some(Duration::ZERO),
        _ => None,
    };
    if parsed.is_none() {
        report.mistake(node.place, format!("expected {}", duration::DURATION_FORM));
    }
    parsed
}

/// A duration from `low` to `high`, in seconds of the series' own time.
pub(crate) fn duration_within(
    node: &Node,
    low: SignedDuration,
    high: SignedDuration,
    report: &Report,
) -> Option<SignedDuration> {
    let parsed = SignedDuration::try_from(duration(node, report)?).ok()?;
    if (low..=high).contains(&parsed) {
        return Some(parsed);
    }
    report.mistake(node.place, format!("expected a duration from {low:#} to {high:#}"));
    None
}

/// The value that one of `choices` names.
pub(crate) fn choice<T: Copy>(node: &Node, choices: &[(&'static str, T)], report: &Report) -> Option<T> {
    let word = text(node, report)?;
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
        return Some(*value);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    let hint = suggest::hint(word, names.iter().copied());
    report.mistake(node.place, format!("`{word}` is not one of: {}{hint}", names.join(", ")));
    None
}

/// A pattern of `*` and `?`.
pub(crate) fn glob(node: &Node, report: &Report) -> Option<Glob> {
    let pattern = text(node, report)?;
    if let Some(other) = pattern.chars().find(|c| "[]{}\\".contains(*c)) {
        report.mistake(
            node.place,
            format!(
                "`{other}` has no meaning in a pattern: `*` stands for any run of characters, `?` for any one"
            ),
        );
        return None;
    }
    Some(Glob(pattern.to_owned()))
}

/// One value or a list of them.
pub(crate) fn one_or_many(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// A list that is not empty.
pub(crate) fn list<'a>(node: &'a Node, report: &Report) -> &'a [Node] {
    match &node.value {
        Value::List(items) if !items.is_empty() => items,
        Value::List(_) => {
            report.mistake(node.place, "the list is empty");
            &[]
        }
        _ => {
            report.expected(node, "a list");
            &[]
        }
    }
}

/// The entries of a map whose keys are names that the file chooses.
pub(crate) fn entries<'a>(node: &'a Node, report: &Report) -> &'a [Entry] {
    if let Value::Map(entries) = &node.value {
        return entries;
    }
    report.expected(node, "a map");
    &[]
}

/// A map from names to texts; a number or flag is taken as it is spelt.
pub(crate) fn text_map(node: &Node, report: &Report) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for entry in entries(node, report) {
        let value = match &entry.node.value {
            Value::Number(_, text) | Value::Flag(_, text) => Some(text.as_str()),
            _ => text(&entry.node, report),
        };
        if entry.key.is_empty() || entry.key.chars().any(char::is_control) {
            report.mistake(entry.place, "a name is missing here");
        } else if let Some(value) = value {
            map.insert(entry.key.clone(), value.to_owned());
        }
    }
    map
}

/// Checks a name that the file gives: letters, digits, `-`, `_` and `.`, beginning with a letter or digit.
pub(crate) fn name<'a>(entry: &'a Entry, what: &str, report: &Report) -> Option<&'a str> {
    let name = entry.key.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(fits) {
        return Some(name);
    }
    report.mistake(
        entry.place,
        format!("the name of a {what} is 1 to 63 letters, digits, `-`, `_` and `.`, and begins with a letter or digit"),
    );
    None
}
