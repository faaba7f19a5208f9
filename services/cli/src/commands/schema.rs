//! `freshet schema`.

use crate::output;
use runtime::Failure;

use super::Done;

/// Print the JSON Schema of freshet.yaml, for editors
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the schema; it is JSON whatever `--output` says.
///
/// # Errors
/// Where standard output cannot be written.
pub fn run(_: &Args) -> Result<Done, Failure> {
    output::json(&pipeline_config::schema())?;
    Ok(Done::Well)
}
