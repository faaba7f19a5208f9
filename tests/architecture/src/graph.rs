use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Where a member of the workspace lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// `crates/*`
    Crates,
    /// `services/*`
    Services,
    /// `tests/*`
    Tests,
}

/// The workspace as a graph of normal and build dependencies (a dev-dependency never ships).
#[derive(Debug)]
pub struct Workspace {
    members: BTreeMap<String, Folder>,
    edges: BTreeMap<String, BTreeSet<String>>,
    simulated: BTreeSet<String>,
}

/// The feature that brings fault switches and a clock that can be set.
const SIMULATION: &str = "simulation";

impl Workspace {
    /// The workspace that this crate belongs to.
    ///
    /// # Panics
    /// Where `cargo metadata` gives no answer.
    pub fn load() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), "host-tuple".to_owned()])
            .exec()
            .expect("cargo metadata answers");
        Self::of(&metadata)
    }

    /// Reads the graph from `metadata`, which must have been resolved.
    fn of(metadata: &Metadata) -> Self {
        let names: BTreeMap<&PackageId, String> =
            metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
        let members = metadata
            .workspace_packages()
            .iter()
            .map(|package| {
                let folder =
                    package.manifest_path.strip_prefix(&metadata.workspace_root).expect("a member is inside");
                let folder = match folder.components().next().map(|part| part.as_str().to_owned()).as_deref()
                {
                    Some("crates") => Folder::Crates,
                    Some("services") => Folder::Services,
                    Some("tests") => Folder::Tests,
                    _ => panic!("{} lives in none of crates/, services/ and tests/", package.name),
                };
                (package.name.to_string(), folder)
            })
            .collect();
        let simulated =
            metadata.workspace_packages().into_iter().filter(|package| turns_simulation_on(package));
        let simulated = simulated.map(|package| package.name.to_string()).collect();
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
        Self { members, edges, simulated }
    }

    /// The members in `folder`.
    pub fn members(&self, folder: Folder) -> impl Iterator<Item = &str> {
        self.members.iter().filter(move |(_, place)| **place == folder).map(|(name, _)| name.as_str())
    }

    /// Crates and services: what ships.
    pub fn shipped(&self) -> impl Iterator<Item = &str> {
        self.members(Folder::Crates).chain(self.members(Folder::Services))
    }

    /// The members that have the feature `simulation` on, or turn that of a dependency on, without being asked.
    pub fn simulated(&self) -> impl Iterator<Item = &str> {
        self.simulated.iter().map(String::as_str)
    }

    /// What `name` depends on directly.
    pub fn direct(&self, name: &str) -> impl Iterator<Item = &str> {
        self.edges.get(name).into_iter().flatten().map(String::as_str)
    }

    /// The members that `name` depends on directly.
    pub fn direct_members(&self, name: &str) -> impl Iterator<Item = &str> {
        self.direct(name).filter(|name| self.members.contains_key(*name))
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

    /// The folder that `name` lives in, where it is a member.
    pub fn folder(&self, name: &str) -> Option<Folder> {
        self.members.get(name).copied()
    }
}

fn turns_simulation_on(package: &Package) -> bool {
    let by_default =
        package.features.get("default").is_some_and(|on| on.iter().any(|name| name.contains(SIMULATION)));
    let asks = |dependency: &&Dependency| dependency.features.iter().any(|name| name == SIMULATION);
    let mut shipped =
        package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    by_default || shipped.any(|dependency| asks(&dependency))
}
