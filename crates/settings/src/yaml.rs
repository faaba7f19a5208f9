//! A YAML document as a tree that knows the place of every node.
//!
//! Built from the parser's events rather than by its loader, so that every duplicate key is found, not only the
//! first, and depth is bounded. Aliases are refused: a file that people review says what it means where it means it.

use std::collections::BTreeSet;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, Span};

use crate::mistake::Place;
use crate::report::Report;

pub use crate::node::{Entry, Node, Value};

/// The largest file that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Up to so many keys of a map are compared one by one; a file of devices has thousands of small maps.
const FEW_KEYS: usize = 16;
/// How deep lists and maps may nest.
const MAX_DEPTH: usize = 32;

/// Reads the one document of `text`, which is the file of this number in `report`; `None` where there is nothing that
/// could be read on.
pub fn load(text: &str, file: usize, report: &Report) -> Option<Node> {
    let start = Place::start(file);
    if text.len() > MAX_BYTES {
        report.mistake(start, format!("the file is larger than {MAX_BYTES} bytes"));
        return None;
    }
    let mut loader = Loader { open: Vec::new(), root: None, report };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::DocumentStart(_), span)) => {
                documents += 1;
                if documents > 1 {
                    report.mistake(place_of(span, file), "a file is one YAML document; here begins a second");
                    return loader.root;
                }
            }
            Ok((event, span)) => loader.take(event, place_of(span, file)).ok()?,
            Err(error) => {
                let marker = error.marker();
                let place = Place { file, line: marker.line().max(1), column: marker.col() + 1 };
                report.mistake(place, format!("not YAML: {}", error.info()));
                return None;
            }
        }
    }
    loader.root
}

fn place_of(span: Span, file: usize) -> Place {
    Place { file, line: span.start.line().max(1), column: span.start.col() + 1 }
}

/// Reading on would be pointless; the mistake has been noted.
struct Stop;

/// Puts events together; `open` are the lists and maps that have not ended yet.
struct Loader<'r> {
    open: Vec<Open>,
    root: Option<Node>,
    report: &'r Report,
}

struct Open {
    place: Place,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    /// `seen` has the keys where they are more than a few.
    Map {
        entries: Vec<Entry>,
        seen: BTreeSet<String>,
        key: Option<Key>,
    },
}

/// A key whose value comes next; without a name where the key itself was refused.
struct Key {
    place: Place,
    name: Option<String>,
}

impl Loader<'_> {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Stop> {
        match event {
            Event::SequenceStart(..) => self.begin(place, Collection::List(Vec::new())),
            Event::MappingStart(..) => {
                self.begin(place, Collection::Map { entries: Vec::new(), seen: BTreeSet::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let value = match open.collection {
                        Collection::List(items) => Value::List(items),
                        Collection::Map { entries, .. } => Value::Map(entries),
                    };
                    self.add(Node { place: open.place, value });
                }
                Ok(())
            }
            Event::Scalar(text, style, _, tag) => {
                let value = match Scalar::parse_from_cow_and_metadata(text.clone(), style, tag.as_ref()) {
                    Some(Scalar::Null) => Value::Null,
                    Some(Scalar::Boolean(flag)) => Value::Flag(flag, text.into_owned()),
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "no whole number of the file needs 53 bits"
                    )]
                    Some(Scalar::Integer(number)) => Value::Number(number as f64, text.into_owned()),
                    Some(Scalar::FloatingPoint(number)) => {
                        Value::Number(number.into_inner(), text.into_owned())
                    }
                    Some(Scalar::String(text)) => Value::Text(text.into_owned()),
                    None => Value::Text(text.into_owned()),
                };
                self.add(Node { place, value });
                Ok(())
            }
            Event::Alias(_) => {
                self.report.mistake(place, "aliases (`*name`) are not taken: write the value out");
                self.add(Node { place, value: Value::Null });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, place: Place, collection: Collection) -> Result<(), Stop> {
        if self.open.len() == MAX_DEPTH {
            self.report.mistake(place, format!("nested deeper than {MAX_DEPTH} levels"));
            return Err(Stop);
        }
        self.open.push(Open { place, collection });
        Ok(())
    }

    fn add(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.collection {
            Collection::List(items) => items.push(node),
            Collection::Map { entries, seen, key } => match key.take() {
                None => *key = Some(name_of(node, (entries, seen), self.report)),
                Some(Key { place, name: Some(key) }) => entries.push(Entry { key, place, node }),
                Some(Key { name: None, .. }) => {}
            },
        }
    }
}

/// The name of a key, unless it is no scalar or among the `entries` already.
fn name_of(node: Node, (entries, seen): (&[Entry], &mut BTreeSet<String>), report: &Report) -> Key {
    let place = node.place;
    let name = match node.value {
        Value::Text(text) | Value::Number(_, text) | Value::Flag(_, text) => text,
        Value::Null => String::new(),
        Value::List(_) | Value::Map(_) => {
            report.mistake(place, "a key is a text, not a list or a map");
            return Key { place, name: None };
        }
    };
    let is_twice = if entries.len() < FEW_KEYS {
        entries.iter().any(|entry| entry.key == name)
    } else {
        if seen.is_empty() {
            seen.extend(entries.iter().map(|entry| entry.key.clone()));
        }
        !seen.insert(name.clone())
    };
    if is_twice {
        report.mistake(place, format!("`{name}` is here twice"));
        return Key { place, name: None };
    }
    Key { place, name: Some(name) }
}

#[cfg(test)]
mod tests {
    use super::{Value, load};
    use crate::report::Report;

    #[test]
    fn every_duplicate_key_is_found() {
        let report = Report::of(["f"]);
        load("a: 1\nb: 2\na: 3\nb: {c: 1, c: 2}\n", 0, &report);
        let places: Vec<_> =
            report.finish().mistakes.iter().map(|mistake| (mistake.line, mistake.column)).collect();
        assert_eq!(places, [(3, 1), (4, 1), (4, 11)]);
    }

    #[test]
    fn a_key_of_a_large_map_is_found_wherever_it_was_before() {
        let keys = (0..40).map(|key| format!("k{key}: 1\n")).collect::<String>();
        let report = Report::of(["f"]);
        load(&format!("{keys}k0: 1\nk15: 1\nk16: 1\nk39: 1\nk40: 1\nk40: 1\n"), 0, &report);
        let lines: Vec<_> = report.finish().mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [41, 42, 43, 44, 46]);
    }

    #[test]
    fn a_nest_of_brackets_is_refused_not_followed() {
        for depth in [40, 100_000] {
            let report = Report::of(["f"]);
            assert_eq!(load(&"[".repeat(depth), 0, &report), None);
            assert_eq!(report.mistakes(), 1);
        }
    }

    #[test]
    fn a_number_keeps_its_spelling() {
        let node = load("1.50", 0, &Report::of(["f"])).unwrap();
        assert_eq!(node.value, Value::Number(1.5, "1.50".into()));
    }
}
