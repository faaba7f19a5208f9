//! `freshet completions`, `freshet man` and `freshet version`.

use crate::process::freshet;

#[test]
fn every_shell_gets_completions_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = freshet(&["completions", shell]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        for word in ["dead-letters", "replay", "state-dir"] {
            assert!(run.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(freshet(&["completions", "cmd"]).status, 2);
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let run = freshet(&["man", pages.to_str().unwrap()]);
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap_or_default();
    assert!(page("freshet.1").contains("freshet"));
    assert!(page("freshet-send.1").contains("concurrency"));
    assert!(page("freshet-dead-letters-replay.1").contains("state"));
}

#[test]
fn the_version_says_what_the_build_can_do() {
    let run = freshet(&["version"]);
    assert_eq!(run.status, 0);
    assert!(
        run.stdout.starts_with(concat!("freshet ", env!("CARGO_PKG_VERSION"), ", with")),
        "{}",
        run.stdout
    );
    let version: serde_json::Value =
        serde_json::from_str(&freshet(&["version", "-o", "json"]).stdout).unwrap();
    assert_eq!(version["kafka"], cfg!(feature = "kafka"));
}
