//! Several files as one tree.

use std::collections::HashMap;

use crate::node::{Entry, Node, Value};
use crate::report::Report;

/// The entries of all `roots` as one map. `sections` are maps that may stand in several files, each with the number of its levels:
/// at 1 each of its names stands in one file only, at 2 the map of a name may stand in several too, and so on. Every other key
/// stands in one file only.
pub fn merge(roots: Vec<Node>, sections: &[(&str, usize)], report: &Report) -> Option<Node> {
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
fn add(all: &mut Vec<Entry>, entry: Entry, sections: &[(&str, usize)], report: &Report) {
    let Some(before) = all.iter_mut().find(|before| before.key == entry.key) else {
        all.push(entry);
        return;
    };
    if before.node.value == Value::Null {
        *before = entry;
        return;
    }
    let levels = sections.iter().find(|(name, _)| *name == entry.key).map_or(0, |(_, levels)| *levels);
    match (&mut before.node.value, entry.node.value) {
        (_, Value::Null) => {}
        (Value::Map(names), Value::Map(entries)) if levels > 0 => join(names, entries, levels - 1, report),
        (_, value) if levels > 0 => {
            report.expected(&Node { place: entry.node.place, value }, "a map");
        }
        _ => report.mistake(
            entry.place,
            format!("`{}` is in {} already: it stands in one file", entry.key, report.line_of(before.place)),
        ),
    }
}

/// Adds `entries` to those of the files before; where there are `levels` left, also to the map of a name that is there already.
fn join(names: &mut Vec<Entry>, entries: Vec<Entry>, levels: usize, report: &Report) {
    let known = names.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at));
    let known: HashMap<_, _> = known.collect();
    for entry in entries {
        let Some(before) = known.get(&entry.key).and_then(|at| names.get_mut(*at)) else {
            names.push(entry);
            continue;
        };
        match (&mut before.node.value, entry.node.value) {
            (Value::Map(names), Value::Map(entries)) if levels > 0 => {
                join(names, entries, levels - 1, report);
            }
            _ => report.mistake(
                entry.place,
                format!("`{}` is in {} already", entry.key, report.line_of(before.place)),
            ),
        }
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
        let whole = merge(roots, &[("rules", 1), ("devices", 2)], &report);
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

    #[test]
    fn of_a_section_of_two_levels_the_maps_of_a_name_grow_too() {
        let (whole, mistakes) = merged(&[
            "devices: {yard: {a: 1}, hall: {a: 1}}\n",
            "devices: {yard: {b: 2}, roof: {a: 1}}\n",
            "devices:\n  yard:\n    b: 3\n  hall: 3\n",
        ]);
        assert_eq!(mistakes, ["c:3:5: `b` is in b:1 already", "c:4:3: `hall` is in a:1 already"]);
        let Some(Node { value: Value::Map(entries), .. }) = whole else { panic!("{whole:?}") };
        let Value::Map(sources) = &entries[0].node.value else { panic!("{entries:?}") };
        let names: Vec<_> = sources.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(names, ["yard", "hall", "roof"]);
        assert!(matches!(&sources[0].node.value, Value::Map(devices) if devices.len() == 2));
    }
}
