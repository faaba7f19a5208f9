//! Which package may use which.

use std::path::{Path, PathBuf};

use architecture_tests::{Folder, IMPURE, Layer, PURE, Workspace, circles, layer_of, rust_files};

/// Services that serve routes of their own.
const WITH_ROUTES: [&str; 2] = ["dead-letter", "ingest"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn layer(workspace: &Workspace, name: &str) -> Layer {
    match workspace.folder(name) {
        Some(Folder::Services) => Layer::Services,
        _ => layer_of(name).unwrap_or_else(|| panic!("{name} is in no layer")),
    }
}

#[test]
fn arrows_go_down() {
    let workspace = Workspace::load();
    for member in workspace.shipped() {
        let own = layer(&workspace, member);
        let above: Vec<_> =
            workspace.direct_members(member).filter(|name| layer(&workspace, name) > own).collect();
        assert!(above.is_empty(), "{member} ({own:?}) uses {above:?}");
    }
}

#[test]
fn services_never_use_each_other() {
    let workspace = Workspace::load();
    for member in workspace.members(Folder::Services) {
        let services: Vec<_> = workspace
            .reachable(member)
            .into_iter()
            .filter(|name| workspace.folder(name) == Some(Folder::Services))
            .collect();
        assert!(services.is_empty(), "service {member} uses {services:?}");
    }
}

#[test]
fn nothing_that_ships_uses_the_tests() {
    let workspace = Workspace::load();
    let tests: Vec<_> = workspace.members(Folder::Tests).chain(["testkit"]).collect();
    for member in workspace.shipped() {
        let used: Vec<_> = workspace.direct(member).filter(|name| tests.contains(name)).collect();
        assert!(used.is_empty(), "{member} ships {used:?}");
    }
}

#[test]
fn pure_crates_reach_no_network_no_runtime_and_no_database() {
    let workspace = Workspace::load();
    for member in PURE {
        assert!(workspace.folder(member).is_some(), "{member} is not in the workspace");
        let reachable = workspace.reachable(member);
        let impure: Vec<_> = IMPURE.iter().filter(|name| reachable.contains(**name)).collect();
        assert!(impure.is_empty(), "{member} reaches {impure:?}");
    }
}

#[test]
fn pure_crates_ask_neither_clock_nor_chance() {
    for member in PURE {
        for file in rust_files(&root().join("crates").join(member).join("src")) {
            let text = std::fs::read_to_string(&file).expect("a source file is readable");
            for asked in ["::now(", "Instant::", "now_v7(", "new_v4(", "rand::"] {
                assert!(!text.contains(asked), "{} asks {asked}", file.display());
            }
        }
    }
}

/// A library that one crate alone speaks to, or that some do: each with who may.
#[test]
fn every_library_is_of_crates_io_under_its_checksum() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages = lock.split("[[package]]").skip(1);
    let foreign: Vec<&str> = packages.filter(|package| package.contains("\nsource = ")).collect();
    assert!(foreign.len() > 100);
    for package in foreign {
        let is_of_crates_io =
            package.contains("\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n");
        assert!(is_of_crates_io && package.contains("\nchecksum = \""), "{package}");
    }
}

#[test]
fn libraries_have_one_home() {
    let workspace = Workspace::load();
    let homes: [(&str, &[&str]); 9] = [
        ("actix-web", &["stage", "knative-local"]),
        ("rdkafka", &["kafka"]),
        ("tokio-postgres", &["store"]),
        ("lettre", &["receivers"]),
        ("object_store", &["report"]),
        ("resvg", &["site-report"]),
        ("rquickjs", &["codecs"]),
        ("png", &["site-report"]),
        ("kube", &["cluster"]),
    ];
    for (library, home) in homes {
        let strangers: Vec<_> = workspace
            .shipped()
            .filter(|member| workspace.direct(member).any(|name| name == library))
            .filter(|member| !home.contains(member) && *member != "testkit")
            .filter(|member| library != "actix-web" || !WITH_ROUTES.contains(member))
            .collect();
        assert!(strangers.is_empty(), "{library} is used by {strangers:?}");
    }
}

#[test]
fn what_takes_one_event_a_request_links_no_kafka_and_the_acts_no_server() {
    let workspace = Workspace::load();
    for (member, absent) in [
        ("transform", "rdkafka"),
        ("alert", "rdkafka"),
        ("notify", "rdkafka"),
        ("store", "actix-web"),
        ("evaluate", "actix-web"),
        ("persist", "actix-web"),
        ("receivers", "actix-web"),
        ("sink", "actix-web"),
        ("kafka", "actix-web"),
    ] {
        assert!(!workspace.reachable(member).contains(absent), "{member} reaches {absent}");
    }
}

/// `make run` builds what its Makefile names; librdkafka and OpenSSL are built from C, which takes minutes.
#[test]
fn what_make_run_builds_has_no_kafka_and_what_images_hold_has() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
    let (_, flags) = makefile.split_once("QUICK := ").expect("it says what make run builds");
    let joined = flags.replace("\\\n", " ");
    let quick: Vec<_> = joined.lines().next().unwrap_or_default().split_whitespace().collect();
    let build = std::fs::read_to_string(root().join("k8s/build")).expect("there is k8s/build");
    let (_, features) = build.split_once("features=").expect("it names the features of images");
    let features = features.lines().next().unwrap_or_default();
    let packages = ["cli", "ingest", "dead-letter", "scheduler"];
    let mut release = vec!["--no-default-features", "--features", features];
    release.extend(packages.iter().flat_map(|package| ["--package", package]));
    for (flags, is_there) in [(quick, false), (release, true)] {
        let tree = linked(&flags);
        for package in packages {
            assert!(tree.contains(&format!("{package} v")), "{tree}");
        }
        for library in ["rdkafka-sys", "openssl-sys"] {
            assert_eq!(tree.contains(library), is_there, "{library}:\n{tree}");
        }
    }
    for package in packages {
        assert!(features.split(',').any(|feature| feature == format!("{package}/kafka")), "{features}");
    }
}

/// What `cargo tree` lists with these flags: a line a package.
fn linked(flags: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(flags)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

#[test]
fn fault_switches_and_a_clock_to_set_are_in_tests_alone() {
    let workspace = Workspace::load();
    let simulated: Vec<_> = workspace.simulated().collect();
    assert_eq!(simulated, ["pipeline-tests"]);
}

#[test]
fn modules_of_a_crate_use_each_other_one_way() {
    for folder in ["crates", "services"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("the folder is readable") {
            let member = entry.expect("the entry is readable").path();
            let circle = circles(&member.join("src"));
            assert!(circle.is_empty(), "{} has a circle: {circle:?}", member.display());
        }
    }
}

#[test]
fn no_folder_is_named_after_nothing() {
    for folder in ["crates", "services"] {
        for file in rust_files(&root().join(folder)) {
            let named = file.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                matches!(name.trim_end_matches(".rs"), "common" | "utils" | "helpers")
            });
            assert!(!named, "{}", file.display());
        }
    }
}
