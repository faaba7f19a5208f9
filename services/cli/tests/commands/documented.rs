//! The commands that the documents show are ones that there are.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use cli::commands::Cli;

use crate::process::{Run, command};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every page of the documents, by its path.
fn pages() -> Vec<(String, String)> {
    let root = repository();
    let mut pages = ["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)).to_vec();
    for folder in ["charts", "crates", "docs", "k8s", "services"] {
        gather(&root.join(folder), &mut pages);
    }
    let page =
        |path: PathBuf| (path.display().to_string(), std::fs::read_to_string(&path).expect("a page is text"));
    pages.into_iter().map(page).collect()
}

/// The pages of a folder and of those in it.
fn gather(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("the folder is readable") {
        let path = entry.expect("its entries are").path();
        if path.is_dir() {
            gather(&path, pages);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
}

/// The lines of the blocks that a shell could take.
fn shell_lines(page: &str) -> Vec<String> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.split_once('\n'));
    let shell = blocks.filter(|(language, _)| matches!(*language, "" | "sh" | "bash"));
    let joined: Vec<String> = shell.map(|(_, text)| text.replace("\\\n", " ")).collect();
    joined.iter().flat_map(|text| text.lines()).map(|line| line.trim().to_owned()).collect()
}

/// The words of a command, up to its comment, a redirection or a second command. `ID` stands for one of a dead letter.
fn words(line: &str) -> Vec<String> {
    let ends = |word: &str| word.starts_with('#') || matches!(word, ">" | "|" | "&&");
    let words = line.split_whitespace().take_while(|word| !ends(word));
    words.map(|word| word.replace("ID", "01890000-0000-7000-8000-000000000000")).collect()
}

#[test]
fn every_command_line_of_the_documents_is_taken() {
    let mut seen = 0;
    for (page, text) in pages() {
        for line in shell_lines(&text).iter().filter(|line| line.starts_with("freshet ")) {
            seen += 1;
            let parsed = Cli::try_parse_from(words(line)).and_then(|cli| cli.check());
            assert!(parsed.is_ok(), "{page}: {line}\n{}", parsed.unwrap_err());
        }
    }
    assert!(seen > 10, "only {seen} were found");
}

#[test]
fn every_target_of_make_in_the_documents_is_there() {
    let makefile = std::fs::read_to_string(repository().join("Makefile")).expect("there is a Makefile");
    let is_target = |name: &str| makefile.lines().any(|line| line.starts_with(&format!("{name}:")));
    let mut seen = 0;
    for (page, text) in pages() {
        let quoted = text.split('`').skip(1).step_by(2).map(str::to_owned);
        for line in shell_lines(&text).into_iter().chain(quoted) {
            let mut words = line.split_whitespace().skip_while(|word| word.contains('='));
            if words.next() != Some("make") {
                continue;
            }
            for word in words.take_while(|word| !word.starts_with('#')) {
                seen += 1;
                assert!(word.contains('=') || is_target(word), "{page}: {line}");
            }
        }
    }
    assert!(seen > 15, "only {seen} were found");
}

#[test]
fn every_test_that_the_documents_run_is_there() {
    let root = repository();
    let member = |name: &str| {
        let folders = ["crates", "services", "tests"].map(|part| root.join(part).join(name));
        folders.into_iter().find(|folder| folder.is_dir())
    };
    let mut seen = 0;
    for (page, text) in pages() {
        for line in shell_lines(&text).iter().filter(|line| line.starts_with("cargo test ")) {
            let words = words(line);
            let after =
                |flag: &str| words.iter().position(|word| word == flag).map(|at| words[at + 1].as_str());
            let Some(package) = after("--package") else { continue };
            seen += 1;
            let folder = member(package).unwrap_or_else(|| panic!("{page}: {line}: no such package"));
            if let Some(test) = after("--test") {
                let tests = folder.join("tests");
                let is_there = tests.join(format!("{test}.rs")).is_file() || tests.join(test).is_dir();
                assert!(is_there, "{page}: {line}: no such test");
            }
        }
    }
    assert!(seen > 2, "only {seen} were found");
}

/// The block of the README that begins with a line.
fn block(readme: &str, begin: &str) -> String {
    let (_, rest) = readme.split_once(&format!("```{begin}")).expect("the README has the block");
    rest.split_once("```").expect("the block ends").0.to_owned()
}

/// Runs a line of the README where its pipeline file is.
fn run(folder: &Path, line: &str) -> Run {
    let words = words(line);
    let arguments: Vec<_> = words[1..].iter().map(String::as_str).collect();
    let mut command = command(&arguments);
    command.current_dir(folder).env("GREENHOUSE_KEY", "greenhouse-key-1f");
    Run::of(command.output().expect("the command was built with the test"))
}

#[test]
fn the_readmes_pipeline_takes_an_uplink() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("freshet.yaml"), block(&readme, "yaml\n# freshet.yaml\n")).unwrap();
    let uplink = r#"{"end_device_ids": {"device_id": "bed-3", "application_ids": {"application_id": "greenhouse"}},
        "received_at": "2026-03-01T12:00:00Z",
        "uplink_message": {"f_port": 1, "f_cnt": 7, "decoded_payload": {"temperature": 31.5}}}"#;
    std::fs::write(folder.path().join("uplink.json"), uplink).unwrap();
    let check = run(folder.path(), "freshet check freshet.yaml");
    assert_eq!(check.status, 0, "{}{}", check.stdout, check.stderr);
    assert!(check.stderr.starts_with("freshet.yaml: no mistakes"), "{}", check.stderr);
    let test = run(folder.path(), "freshet source test greenhouse uplink.json");
    assert_eq!(test.status, 0, "{}{}", test.stdout, test.stderr);
    assert!(test.stdout.contains("bed-3") && test.stdout.contains("31.5"), "{}", test.stdout);
    for line in ["freshet check freshet.yaml", "freshet source test greenhouse uplink.json"] {
        assert!(shell_lines(&readme).iter().any(|shown| shown.starts_with(line)), "the README shows {line}");
    }
}
