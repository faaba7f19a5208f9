//! `freshet schema`.

use crate::failure::Failure;
use crate::output;

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
