//! Several files as one tree.

use crate::node::{Entry, Node, Value};
use crate::report::Report;

/// The entries of all `roots` as one map. `sections` are maps whose entries may stand in several files, each name in one
/// only; every other key stands in one file only.
pub fn merge(roots: Vec<Node>, sections: &[&str], report: &Report) -> Option<Node> {
    let mut roots = roots.into_iter();
    let mut whole = roots.next()?;
    for root in roots {
        match (&mut whole.value, root.value) {
            (Value::Map(all), Value::Map(entries)) => {
                for entry in entries {
                    add(all, entry, sections, report);
                }
            }
            (Value::Map(_), value) => report.expected(&Node { place: root.place, value }, "a map"),
            // The first file's mistake is found when the whole is read.
            _ => {}
        }
    }
    Some(whole)
}

/// Adds what one file says of one key to what the files before it say.
fn add(all: &mut Vec<Entry>, entry: Entry, sections: &[&str], report: &Report) {
    let Some(before) = all.iter_mut().find(|before| before.key == entry.key) else {
        all.push(entry);
        return;
    };
    if before.node.value == Value::Null {
        *before = entry;
        return;
    }
    match (&mut before.node.value, entry.node.value) {
        (_, Value::Null) => {}
        (Value::Map(names), Value::Map(entries)) if sections.contains(&entry.key.as_str()) => {
            for entry in entries {
                match names.iter().find(|before| before.key == entry.key) {
                    Some(before) => report.mistake(
                        entry.place,
                        format!("`{}` is in {} already", entry.key, report.line_of(before.place)),
                    ),
                    None => names.push(entry),
                }
            }
        }
        (_, value) if sections.contains(&entry.key.as_str()) => {
            report.expected(&Node { place: entry.node.place, value }, "a map");
        }
        _ => report.mistake(
            entry.place,
            format!("`{}` is in {} already: it stands in one file", entry.key, report.line_of(before.place)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::report::Report;
    use crate::yaml::{self, Node, Value};

    fn merged(files: &[&str]) -> (Option<Node>, Vec<String>) {
        let report = Report::of(["a", "b", "c"]);
        let roots =
            files.iter().enumerate().filter_map(|(file, text)| yaml::load(text, file, &report)).collect();
        let whole = merge(roots, &["rules"], &report);
        (whole, report.finish().mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn sections_grow_and_settings_stand_once() {
        let (whole, mistakes) =
            merged(&["rules: {x: 1}\ntick: 5m\n", "rules:\n  y: 2\nlateness: 1m\n", "tick:\n"]);
        assert_eq!(mistakes, Vec::<String>::new());
        let Some(Node { value: Value::Map(entries), .. }) = whole else { panic!("{whole:?}") };
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["rules", "tick", "lateness"]);
        assert!(matches!(&entries[0].node.value, Value::Map(rules) if rules.len() == 2));
    }

    #[test]
    fn what_stands_twice_is_a_mistake_that_names_the_other_place() {
        let (_, mistakes) =
            merged(&["rules: {x: 1}\ntick: 5m\n", "tick: 5m\nrules:\n  x: 1\n", "rules: []\n"]);
        assert_eq!(
            mistakes,
            [
                "b:1:1: `tick` is in a:2 already: it stands in one file",
                "b:3:3: `x` is in a:1 already",
                "c:1:8: expected a map, found a list",
            ]
        );
    }
}
