//! The four sentences about who may use whom.

use std::path::Path;

use architecture_tests::{House, IMPURE, PURE, Room};
use cargo_metadata::MetadataCommand;

fn house() -> House {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), "host-tuple".to_owned()])
        .exec()
        .expect("cargo metadata answers");
    House::new(&metadata)
}

#[test]
fn crates_never_use_services() {
    let house = house();
    for member in house.members(Room::Crate) {
        let services: Vec<_> =
            house.reachable(member).into_iter().filter(|name| house.is_service(name)).collect();
        assert!(services.is_empty(), "crate {member} uses {services:?}");
    }
}

#[test]
fn services_never_use_each_other() {
    let house = house();
    for member in house.members(Room::Service) {
        let services: Vec<_> =
            house.reachable(member).into_iter().filter(|name| house.is_service(name)).collect();
        assert!(services.is_empty(), "service {member} uses {services:?}");
    }
}

#[test]
fn nothing_that_ships_uses_the_tests() {
    let house = house();
    let tests: Vec<_> = house.members(Room::Test).chain(["testkit"]).collect();
    for member in house.members(Room::Crate).chain(house.members(Room::Service)) {
        let used: Vec<_> = house.direct(member).filter(|name| tests.contains(name)).collect();
        assert!(used.is_empty(), "{member} ships {used:?}");
    }
}

#[test]
fn pure_crates_reach_no_network_no_runtime_and_no_database() {
    let house = house();
    for member in PURE {
        let reachable = house.reachable(member);
        assert!(!reachable.is_empty(), "{member} is not in the workspace");
        let impure: Vec<_> = IMPURE.iter().filter(|name| reachable.contains(**name)).collect();
        assert!(impure.is_empty(), "{member} reaches {impure:?}");
    }
}

#[test]
fn pure_crates_use_only_pure_crates_of_the_house() {
    let house = house();
    for member in PURE {
        let others: Vec<_> = house
            .members(Room::Crate)
            .filter(|name| house.reachable(member).contains(name) && !PURE.contains(name))
            .collect();
        assert!(others.is_empty(), "{member} uses {others:?}");
    }
}

#[test]
fn pure_crates_never_ask_what_time_it_is() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    for member in PURE {
        for file in rust_files(&crates.join(member).join("src")) {
            let text = std::fs::read_to_string(&file).expect("a source file is readable");
            for clock in ["::now(", "Instant::", "now_v7("] {
                assert!(!text.contains(clock), "{} asks the clock: {clock}", file.display());
            }
        }
    }
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
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
