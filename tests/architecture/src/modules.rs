use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The Rust files below `folder`.
///
/// # Panics
/// Where it cannot be read.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a source folder is readable") {
        let path = entry.expect("a folder entry is readable").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules directly below `src` that use each other in a circle, as their `crate::` paths say; empty where none do.
/// Test modules do not count.
///
/// # Panics
/// Where a file cannot be read.
pub fn circles(src: &Path) -> Vec<String> {
    let files = rust_files(src);
    let modules: BTreeSet<String> = files
        .iter()
        .map(|file| module_of(src, file))
        .filter(|name| name != "lib" && name != "main")
        .collect();
    let exports = exports(src);
    let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
    for file in &files {
        let module = module_of(src, file);
        let text = std::fs::read_to_string(file).expect("a source file is readable");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let named = paths(code).into_iter().filter_map(|name| {
            if modules.contains(&name) { Some(name) } else { exports.get(&name).cloned() }
        });
        uses.entry(module.clone()).or_default().extend(named.filter(|name| *name != module));
    }
    let reached = |from: &str| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            for used in uses.get(next).into_iter().flatten() {
                if seen.insert(used.as_str()) {
                    open.push(used);
                }
            }
        }
        seen
    };
    modules.iter().filter(|module| reached(module).contains(module.as_str())).cloned().collect()
}

/// The module directly below `src` that `file` belongs to.
fn module_of(src: &Path, file: &Path) -> String {
    let below = file.strip_prefix(src).expect("the file is below src");
    let first = below.components().next().expect("a file has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// What `lib.rs` gives out again: the name, and the module that it comes from.
fn exports(src: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(src.join("lib.rs")).unwrap_or_default();
    let statements = text.split(';').filter_map(|statement| {
        let (_, path) = statement.split_once("use ")?;
        statement.contains("pub").then(|| path.trim_start_matches("crate::").split_once("::"))?
    });
    statements.flat_map(|(module, names)| words(names).map(|name| (name, module.to_owned()))).collect()
}

/// The first segments behind `crate::` in `code`, comments left out.
fn paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (at, prefix) in code.match_indices("crate::") {
        // `$crate::` and `other_crate::` are another crate's paths.
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(top_level(list)),
            None => found.extend(words(rest).next()),
        }
    }
    found
}

/// The first word of each element of a list of paths, whose opening brace was read.
fn top_level(list: &str) -> Vec<String> {
    let (mut depth, mut element, mut elements) = (0_usize, String::new(), Vec::new());
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => elements.push(std::mem::take(&mut element)),
            _ if depth == 0 => element.push(character),
            _ => {}
        }
    }
    elements.push(element);
    elements.iter().filter_map(|element| words(element).next()).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn the_first_segment_of_each_path_is_found() {
        let code = "use crate::a::B;\n/// [`crate::not`]\nuse crate::{c, d::{E, f}, G};\nlet x = crate::h(); $crate::no!(); my_crate::no();";
        let found: Vec<_> = paths(code).into_iter().collect();
        assert_eq!(found, ["G", "a", "c", "d", "h"]);
    }
}
