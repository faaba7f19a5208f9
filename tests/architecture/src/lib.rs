//! The dependency rules of the house, read from `cargo metadata`:
//!
//! 1. services may use crates;
//! 2. crates never use services;
//! 3. services never use each other;
//! 4. `event-model`, `settings`, `decoders`, `rules` and `pipeline-config` never touch the network, the clock or the database.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};

/// The crates that stay pure.
pub const PURE: [&str; 7] =
    ["event-model", "topology", "settings", "decoders", "rules", "pipeline-config", "payload"];

/// Packages that a pure crate must not reach, at whatever depth: runtimes, sockets, databases, telemetry exporters.
pub const IMPURE: [&str; 12] = [
    "tokio",
    "mio",
    "socket2",
    "hyper",
    "reqwest",
    "actix-web",
    "actix-rt",
    "tokio-postgres",
    "deadpool-postgres",
    "lettre",
    "rustls",
    "opentelemetry_sdk",
];

/// Where a member of the workspace lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// `crates/*`
    Crate,
    /// `services/*`
    Service,
    /// `tests/*`
    Test,
}

/// The workspace as a graph of normal and build dependencies (a dev-dependency never ships).
#[derive(Debug)]
pub struct House {
    rooms: BTreeMap<String, Room>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl House {
    /// Reads the graph from `metadata`, which must have been resolved.
    ///
    /// # Panics
    /// If a member lives in none of the three folders, or nothing was resolved.
    pub fn new(metadata: &Metadata) -> Self {
        let names: BTreeMap<&PackageId, String> =
            metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
        let rooms = metadata
            .workspace_packages()
            .iter()
            .map(|package| {
                let folder =
                    package.manifest_path.strip_prefix(&metadata.workspace_root).expect("a member is inside");
                let room = match folder.components().next().map(|part| part.as_str().to_owned()).as_deref() {
                    Some("crates") => Room::Crate,
                    Some("services") => Room::Service,
                    Some("tests") => Room::Test,
                    _ => panic!("{} lives in none of crates/, services/ and tests/", package.name),
                };
                (package.name.to_string(), room)
            })
            .collect();
        let resolve =
            metadata.resolve.as_ref().expect("cargo metadata resolves dependencies unless told not to");
        let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
        for node in &resolve.nodes {
            let shipped = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development))
                .map(|dep| names[&dep.pkg].clone());
            edges.entry(names[&node.id].clone()).or_default().extend(shipped);
        }
        Self { rooms, edges }
    }

    /// Members of a room.
    pub fn members(&self, room: Room) -> impl Iterator<Item = &str> {
        self.rooms.iter().filter(move |(_, place)| **place == room).map(|(name, _)| name.as_str())
    }

    /// What `name` depends on directly.
    pub fn direct(&self, name: &str) -> impl Iterator<Item = &str> {
        self.edges.get(name).into_iter().flatten().map(String::as_str)
    }

    /// What `name` depends on at any depth.
    pub fn reachable(&self, name: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = self.direct(name).collect();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(self.direct(next));
            }
        }
        seen
    }

    /// Whether `name` is a service.
    pub fn is_service(&self, name: &str) -> bool {
        self.rooms.get(name) == Some(&Room::Service)
    }
}
