//! `freshet dead-letters list`.

use crate::cluster_args::ClusterArgs;
use crate::commands::Done;
use crate::output::{self, Format};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::DeadLetterStore;
use super::filter::FilterArgs;

/// What `freshet dead-letters list` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    state: StateDirectory,
    /// Also those that are resolved or discarded
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: FilterArgs,
    /// How many at most, up to 1000
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

/// Prints the list.
pub(super) async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let filter = args.filter.filter(args.all);
    let lines = DeadLetterStore::open(&args.cluster, &args.state).await?.list(&filter, args.limit).await?;
    output::rows(format, &lines)?;
    words::say_if_cut(lines.len(), u32::from(args.limit));
    Ok(Done::Well)
}
