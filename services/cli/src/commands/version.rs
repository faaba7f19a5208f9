//! `freshet version`.

use runtime::Failure;
use serde::Serialize;

use super::Done;
use crate::output::{self, Format};

/// Print the version, and what this build can do
#[derive(Debug, clap::Args)]
pub struct Args {}

/// For programs.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    kafka: bool,
    local: bool,
}

/// Prints it.
///
/// # Errors
/// Where standard output cannot be written.
pub fn run(_: &Args, format: Format) -> Result<Done, Failure> {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
        kafka: cfg!(feature = "kafka"),
        local: cfg!(feature = "local"),
    };
    match format {
        Format::Json => output::json(&version)?,
        Format::Table => output::write_line(&version.line())?,
    }
    Ok(Done::Well)
}

impl Version {
    fn line(&self) -> String {
        let is_there = |there: bool| if there { "with" } else { "without" };
        format!(
            "freshet {}, {} Kafka, {} `freshet up`",
            self.version,
            is_there(self.kafka),
            is_there(self.local)
        )
    }
}
