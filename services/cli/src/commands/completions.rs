//! `freshet completions`.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use runtime::Failure;

use super::{Cli, Done};
use crate::output;

/// Print the completions of a shell: `source <(freshet completions bash)`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Where standard output cannot be written.
pub fn run(args: &Args) -> Result<Done, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "freshet", &mut script);
    output::written(io::stdout().lock().write_all(&script))?;
    Ok(Done::Well)
}
