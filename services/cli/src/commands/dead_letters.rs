//! `freshet dead-letters`.

mod dead_letter;
mod discard;
mod filter;
mod list;
mod remote;
mod replay;
mod show;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Client;
use store::dead_letters::{self, Cause, DeadProblem, Filter, State, StoredDeadLetter};
use uuid::Uuid;

use crate::cluster_args::ClusterArgs;
use crate::database;
use crate::output::{Format, Row};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::Done;
use dead_letter::WholeDeadLetter;
use remote::Remote;

/// What can be done with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// `freshet dead-letters list`.
    #[command(about = "List what could not be taken, the newest first")]
    List(list::Args),
    /// `freshet dead-letters show`.
    #[command(about = "Show a dead letter: why, where, and the request as it came")]
    Show(show::Args),
    /// `freshet dead-letters replay`.
    #[command(about = "Send the original event back to the Broker")]
    Replay(replay::Args),
    /// `freshet dead-letters discard`.
    #[command(about = "Resolve a dead letter by losing what it holds, and say why")]
    Discard(discard::Args),
}

/// Does what the command line says.
///
/// # Errors
/// Where the database or the Broker cannot be asked.
pub async fn run(command: &Command, format: Format) -> Result<Done, Failure> {
    match command {
        Command::List(args) => list::run(args, format).await,
        Command::Show(args) => show::run(args, format).await,
        Command::Replay(args) => replay::run(args, format).await,
        Command::Discard(args) => discard::run(args, format).await,
    }
}

/// A dead letter without its event: a line on the screen, and for programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    id: Uuid,
    state: State,
    stage: String,
    cause: Cause,
    reason: String,
    problems: Vec<DeadProblem>,
    source: String,
    event_id: String,
    event_type: String,
    deliveries: i32,
    first_at: Timestamp,
    last_at: Timestamp,
    replays: i32,
    replayed_at: Option<Timestamp>,
    resolved_at: Option<Timestamp>,
    #[serde(default)]
    discarded: Option<String>,
}

impl Line {
    fn of(stored: &StoredDeadLetter) -> Self {
        let dead_letter = &stored.dead_letter;
        Self {
            id: stored.id,
            state: stored.state(),
            stage: dead_letter.stage.clone(),
            cause: dead_letter.cause,
            reason: dead_letter.reason.clone(),
            problems: dead_letter.problems.clone(),
            source: dead_letter.event.source.clone(),
            event_id: dead_letter.event.id.clone(),
            event_type: dead_letter.event.event_type.clone(),
            deliveries: stored.deliveries,
            first_at: stored.first_at,
            last_at: dead_letter.at,
            replays: stored.replays,
            replayed_at: stored.replayed_at,
            resolved_at: stored.resolved_at,
            discarded: stored.discarded.clone(),
        }
    }
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] =
        &["ID", "LAST FAILED", "STATE", "STAGE", "CAUSE", "SOURCE", "TIMES", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            words::seconds(self.last_at),
            self.state.as_str().to_owned(),
            self.stage.clone(),
            self.cause.as_str().to_owned(),
            self.source.clone(),
            self.deliveries.to_string(),
            self.reason.clone(),
        ]
    }
}

/// Where dead letters are looked at: in the database, or at a release's stage on a cluster.
enum DeadLetterStore {
    Database(Box<Client>),
    Stage(Box<Remote>),
}

impl DeadLetterStore {
    /// The stage's where one of the cluster's flags is given.
    async fn open(args: &ClusterArgs, state: &StateDirectory) -> Result<Self, Failure> {
        if args.is_given() {
            return Ok(Self::Stage(Box::new(Remote::open(args).await?)));
        }
        Ok(Self::Database(Box::new(database::client(state).await?)))
    }

    /// Up to `limit` of them, the one that failed last first.
    async fn list(&self, filter: &Filter, limit: u16) -> Result<Vec<Line>, Failure> {
        match self {
            Self::Stage(remote) => remote.list(filter, limit).await,
            Self::Database(client) => {
                let listed = dead_letters::list(&**client, filter, limit).await;
                let listed = listed.map_err(|error| database::failed(&error.into()))?;
                Ok(listed.iter().map(Line::of).collect())
            }
        }
    }

    /// One of them.
    async fn get(&self, id: Uuid) -> Result<WholeDeadLetter, Failure> {
        match self {
            Self::Stage(remote) => remote.get(id).await,
            Self::Database(client) => Ok(WholeDeadLetter::of(stored(client, id).await?)),
        }
    }
}

/// What was stored under `id`.
async fn stored(client: &Client, id: Uuid) -> Result<StoredDeadLetter, Failure> {
    let found = dead_letters::get(client, id).await.map_err(|error| database::failed(&error.into()))?;
    found.ok_or_else(|| {
        Failure::new(format!("there is no dead letter {id}"))
            .hint("`freshet dead-letters list --all` lists them")
    })
}

/// The cause that `--cause` names.
fn cause(name: &str) -> Result<Cause, String> {
    name.parse().map_err(|_| "expected rejected, unavailable or malformed".to_owned())
}
