//! Words that a stranger would have to learn are not in what users read.

use std::path::{Path, PathBuf};

/// Each with what is said instead.
const REPLACED: [(&str, &str); 29] = [
    ("push way", "broker mode"),
    ("kafka way", "topic mode"),
    ("kafkaway", "mode: topic"),
    ("transform --worker", "worker"),
    ("wake ahead", "prewarm"),
    ("wake-ahead", "prewarm"),
    ("wake_ahead", "prewarm"),
    ("pulse", "heartbeat"),
    ("slow tick", "tick"),
    ("slow-tick", "tick"),
    ("evaluation_due", "evaluation_request"),
    ("taken back", "retracted"),
    ("taken_back", "retracted_by"),
    ("channels:", "receivers:"),
    ("conversation", "notification group"),
    ("the house", "a noun of the domain"),
    ("nobody was told", "no receiver was notified"),
    ("whoever", "a noun of the domain"),
    ("who is there", "which devices there are"),
    ("hears too", "is notified too"),
    (" heard ", "was notified of, was seen"),
    (" is told", "is notified, is sent, is given"),
    (" be told", "be notified, take"),
    ("tells nobody", "does not show"),
    ("belongs to nobody", "no Broker owns it"),
    ("nobody else", "alone"),
    ("without mercy", "a warning is an error"),
    ("for want of", "because it runs out"),
    (" at rest", "at zero, between bursts"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README, docs, the chart, what a cluster needs, the READMEs of crates and services, the formats, and the tables.
fn public_files() -> Vec<PathBuf> {
    let mut files =
        ["README.md", "CONTRIBUTING.md", "Makefile", "skaffold.yaml"].map(|name| root().join(name)).to_vec();
    for folder in ["docs", "charts", "k8s", "crates/store/migrations"] {
        add(&root().join(folder), &mut files);
    }
    let mut formats = Vec::new();
    add(&root().join("crates/decoders/src/formats"), &mut formats);
    files.extend(formats.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "md")));
    for folder in ["crates", "services"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("the folder is readable") {
            files.push(entry.expect("the entry is readable").path().join("README.md"));
        }
    }
    files.retain(|file| file.is_file());
    files
}

fn add(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() { add(&path, files) } else { files.push(path) }
    }
}

#[test]
fn public_files_use_the_words_of_the_field() {
    let mut found = Vec::new();
    for file in public_files() {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for (word, instead) in REPLACED.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!("{}:{}: `{word}`, say {instead}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
