//! A new format, and a new receiver, touches its own folder and the one list of its kind.

use std::fs;
use std::path::{Path, PathBuf};

/// Every shipped source file of the workspace, by its path from the root, without its tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders: Vec<PathBuf> = vec![root.join("crates"), root.join("services")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !matches!(name.as_str(), "tests" | "target" | "demo") {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "testing.rs" {
                let text = fs::read_to_string(&path).expect("a source is text");
                let shipped = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
                files.push((path.strip_prefix(&root).unwrap_or(&path).display().to_string(), shipped));
            }
        }
    }
    assert!(files.len() > 200, "{}", files.len());
    files.sort();
    files
}

/// The files outside `own` that have one of `spellings`.
fn naming(sources: &[(String, String)], own: &[String], spellings: &[String]) -> Vec<String> {
    let is_own = |path: &str| own.iter().any(|own| path.starts_with(own.as_str()));
    let names = |text: &str| spellings.iter().any(|spelling| text.contains(spelling.as_str()));
    let found = sources.iter().filter(|(path, text)| !is_own(path) && names(text));
    found.map(|(path, _)| path.clone()).collect()
}

#[test]
fn a_format_is_named_in_the_list_of_formats_only() {
    let sources = sources();
    for format in decoders::all() {
        let name = format.name();
        let own = format!("crates/decoders/src/formats/{name}");
        let own = [format!("{own}/"), format!("{own}.rs")];
        let spellings = [format!("\"{name}\""), format!("formats::{name}"), format!("\n    &{name}::")];
        let mut expected = vec!["crates/decoders/src/formats/mod.rs"];
        if name == "json" {
            // The media type, and the extension of a file.
            expected.extend(["crates/event-model/src/cloudevent.rs", "services/cli/src/send/input.rs"]);
        }
        assert_eq!(naming(&sources, &own, &spellings), expected, "{name}");
    }
}

#[test]
fn a_receiver_is_named_in_the_lists_of_receivers_only() {
    let sources = sources();
    let schema = pipeline_config::schema();
    let kinds = schema["$defs"]["Receiver"]["oneOf"].as_array().unwrap();
    assert!(kinds.len() > 4);
    for kind in kinds {
        let name = kind["required"][0].as_str().unwrap();
        let own = ["pipeline-config/src/receiver", "receivers/src"]
            .map(|folder| format!("crates/{folder}/{name}.rs"));
        let variant = format!("Receiver::{}{}(", name[..1].to_uppercase(), &name[1..]);
        let spellings = [format!("\"{name}\""), format!("{name}::KIND"), format!("crate::{name}::"), variant];
        let mut expected = vec!["crates/pipeline-config/src/receiver.rs", "crates/receivers/src/open.rs"];
        if name == "webhook" {
            // The prefix of Standard Webhooks' header fields.
            expected.push("services/ingest/src/credentials/signature.rs");
        }
        assert_eq!(naming(&sources, &own, &spellings), expected, "{name}");
    }
}
