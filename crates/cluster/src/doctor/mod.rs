//! What `freshet doctor` finds: pure judgements of objects of the cluster, and of a report from a pod inside it.

pub mod broker;
pub mod capacity;
pub mod code;
pub mod data_plane;
pub mod inside;
pub mod knative;
mod look;
pub mod objects;
pub mod quantity;
pub mod rights;
pub mod versions;

use serde::Serialize;

pub use code::{Code, Level};
pub use look::look;

/// Something that an operator should know, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable name of this kind of finding.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is about: `broker/plant`, `node`.
    pub subject: String,
    /// What was seen.
    pub what: String,
    /// What to do.
    pub todo: &'static str,
}

impl Finding {
    /// A finding of this kind.
    pub fn new(code: Code, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            code: code.name,
            level: code.level,
            subject: subject.into(),
            what: what.into(),
            todo: code.todo,
        }
    }
}
