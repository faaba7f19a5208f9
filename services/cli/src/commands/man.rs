//! `freshet man`.

use std::path::PathBuf;

use clap::CommandFactory as _;
use runtime::Failure;

use super::{Cli, Done};

/// Write the manual pages into a folder: freshet.1, freshet-up.1, ...
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to; made if it is not there
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes them.
///
/// # Errors
/// Where the folder or a page cannot be written.
pub fn run(args: &Args) -> Result<Done, Failure> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| Failure::because(format!("{} cannot be written", folder.display()), &error))?;
    Ok(Done::Well)
}
