//! A YAML document as a tree that knows the place of every node.
//!
//! Built from the parser's events rather than by its loader, so that every duplicate key is found, not only the
//! first, and depth is bounded. Aliases are refused: a file that people review says what it means where it means it.

use std::collections::BTreeSet;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, Span};

use crate::mistake::Mistake;

/// The largest file that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// How deep lists and maps may nest.
const MAX_DEPTH: usize = 32;

/// Where a node begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
}

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a node holds. A scalar that is not text keeps its spelling, for `label: 3`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Flag(bool, String),
    Number(f64, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

impl Place {
    /// The first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    fn of(span: Span) -> Self {
        Self { line: span.start.line().max(1), column: span.start.col() + 1 }
    }

    /// A mistake here.
    pub(crate) fn mistake(self, text: impl Into<String>) -> Mistake {
        Mistake { line: self.line, column: self.column, text: text.into() }
    }
}

impl Value {
    /// What it is, for "expected a number, found a list".
    pub(crate) fn noun(&self) -> &'static str {
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

/// Reads the one document of `text`; `None` where there is nothing that could be read on.
pub(crate) fn load(text: &str, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    if text.len() > MAX_BYTES {
        mistakes.push(Place::START.mistake(format!("the file is larger than {MAX_BYTES} bytes")));
        return None;
    }
    let mut loader = Loader { open: Vec::new(), root: None, mistakes };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        match event {
            Ok((Event::DocumentStart(_), span)) => {
                documents += 1;
                if documents > 1 {
                    loader.mistakes.push(
                        Place::of(span).mistake("a pipeline is one YAML document; here begins a second"),
                    );
                    return loader.root;
                }
            }
            Ok((event, span)) => {
                if loader.take(event, Place::of(span)).is_err() {
                    return None;
                }
            }
            Err(error) => {
                let place = Place { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                loader.mistakes.push(place.mistake(format!("not YAML: {}", error.info())));
                return None;
            }
        }
    }
    loader.root
}

/// Reading on would be pointless; the mistake has been noted.
struct Stop;

/// Puts events together; `open` are the lists and maps that have not ended yet.
struct Loader<'m> {
    open: Vec<Open>,
    root: Option<Node>,
    mistakes: &'m mut Vec<Mistake>,
}

struct Open {
    place: Place,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeSet<String>, key: Option<Key> },
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
                self.mistakes.push(place.mistake("aliases (`*name`) are not taken: write the value out"));
                self.add(Node { place, value: Value::Null });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, place: Place, collection: Collection) -> Result<(), Stop> {
        if self.open.len() == MAX_DEPTH {
            self.mistakes.push(place.mistake(format!("nested deeper than {MAX_DEPTH} levels")));
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
                None => *key = Some(name_of(node, seen, self.mistakes)),
                Some(Key { place, name: Some(key) }) => entries.push(Entry { key, place, node }),
                Some(Key { name: None, .. }) => {}
            },
        }
    }
}

/// The name of a key, unless it is no scalar or there already.
fn name_of(node: Node, seen: &mut BTreeSet<String>, mistakes: &mut Vec<Mistake>) -> Key {
    let place = node.place;
    let name = match node.value {
        Value::Text(text) | Value::Number(_, text) | Value::Flag(_, text) => text,
        Value::Null => String::new(),
        Value::List(_) | Value::Map(_) => {
            mistakes.push(place.mistake("a key is a text, not a list or a map"));
            return Key { place, name: None };
        }
    };
    if !seen.insert(name.clone()) {
        mistakes.push(place.mistake(format!("`{name}` is here twice")));
        return Key { place, name: None };
    }
    Key { place, name: Some(name) }
}

#[cfg(test)]
mod tests {
    use super::{Value, load};

    #[test]
    fn every_duplicate_key_is_found() {
        let mut mistakes = Vec::new();
        load("a: 1\nb: 2\na: 3\nb: {c: 1, c: 2}\n", &mut mistakes);
        let mut places: Vec<_> = mistakes.iter().map(|mistake| (mistake.line, mistake.column)).collect();
        places.sort_unstable();
        assert_eq!(places, [(3, 1), (4, 1), (4, 11)]);
    }

    #[test]
    fn a_nest_of_brackets_is_refused_not_followed() {
        for depth in [40, 100_000] {
            let mut mistakes = Vec::new();
            assert_eq!(load(&"[".repeat(depth), &mut mistakes), None);
            assert_eq!(mistakes.len(), 1);
        }
    }

    #[test]
    fn a_number_keeps_its_spelling() {
        let node = load("1.50", &mut Vec::new()).unwrap();
        assert_eq!(node.value, Value::Number(1.5, "1.50".into()));
    }
}
