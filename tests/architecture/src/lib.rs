//! Who may use whom: between packages from `cargo metadata`, between the modules of a crate from its `use crate::` lines.

mod graph;
mod layers;
mod modules;

pub use graph::{Folder, Workspace};
pub use layers::{IMPURE, Layer, PURE, layer_of};
pub use modules::{circles, rust_files};
