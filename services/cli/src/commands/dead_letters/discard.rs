//! `freshet dead-letters discard`.

use runtime::{Clock, Failure};
use serde::Serialize;
use store::dead_letters;
use uuid::Uuid;

use super::DeadLetterStore;
use super::filter::Chosen;
use crate::cluster_args::ClusterArgs;
use crate::commands::Done;
use crate::database;
use crate::output::{self, Format, Row};
use crate::state_directory::StateDirectory;

/// What `freshet dead-letters discard` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Why nobody needs what they hold; it is kept with them
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    state: StateDirectory,
}

/// What became of one.
#[derive(Debug, Serialize)]
struct Answer {
    id: Uuid,
    discarded: bool,
    reason: String,
}

/// Discards them one after another; one that is not open stays as it is.
pub(super) async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    if args.because.trim().is_empty() {
        return Err(Failure::new("--because is empty").hint("say why nobody needs what they hold"));
    }
    let store = DeadLetterStore::open(&args.cluster, &args.state).await?;
    let mut answers = Vec::new();
    for id in args.chosen.ids(&store).await? {
        let refused = match &store {
            DeadLetterStore::Stage(remote) => remote.discard(id, &args.because).await.err(),
            DeadLetterStore::Database(client) => {
                let done = dead_letters::discard(&**client, id, (&args.because, Clock::system().now())).await;
                let done = done.map_err(|error| database::failed(&error.into()))?;
                (!done).then(|| "there is no open dead letter of this id".to_owned())
            }
        };
        answers.push(Answer { id, discarded: refused.is_none(), reason: refused.unwrap_or_default() });
    }
    output::rows(format, &answers)?;
    let discarded = answers.iter().filter(|answer| answer.discarded).count();
    eprintln!("{discarded} of {} discarded", answers.len());
    Ok(if discarded == answers.len() { Done::Well } else { Done::Badly })
}

impl Row for Answer {
    const HEADINGS: &'static [&'static str] = &["ID", "DISCARDED", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.to_string(), if self.discarded { "yes" } else { "no" }.to_owned(), self.reason.clone()]
    }
}
