//! `freshet dead-letters replay`.

use event_model::cloudevent;
use runtime::{ClientOptions, Clock};
use serde::Serialize;
use store::Client;
use store::dead_letters::{self, Cause, Filter, State, StoredDeadLetter};
use uuid::Uuid;

use super::remote::Remote;
use crate::broker::Broker;
use crate::cluster_args::ClusterArgs;
use crate::commands::Done;
use crate::database;
use crate::output::{self, Format, Row};
use crate::send::run::reason_of;
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

/// What `freshet dead-letters replay` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ids, as `freshet dead-letters list` prints them
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<Uuid>,
    /// All that are open
    #[arg(long)]
    all: bool,
    /// With --all: only of this cause: rejected, unavailable or malformed
    #[arg(long, requires = "all", value_parser = super::cause)]
    cause: Option<Cause>,
    /// The Broker's ingress; that of a running `freshet up` if not given
    #[arg(long, value_name = "URL", env = "FRESHET_BROKER")]
    broker: Option<Broker>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    state: StateDirectory,
}

/// How many `--all` sends at most; what is left is sent by the next run.
const BATCH: u16 = 1000;

/// What became of one replay.
#[derive(Debug, Serialize)]
struct Answer {
    id: Uuid,
    sent: bool,
    reason: String,
}

/// Sends them one after another; one that is not taken stays as it is.
pub(super) async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let answers = if args.cluster.is_given() { by_stage(args).await? } else { by_hand(args).await? };
    output::rows(format, &answers)?;
    let sent = answers.iter().filter(|answer| answer.sent).count();
    eprintln!("{sent} of {} sent back", answers.len());
    Ok(if sent == answers.len() { Done::Well } else { Done::Badly })
}

/// The stage on the cluster sends, and records what it sent.
async fn by_stage(args: &Args) -> Result<Vec<Answer>, Failure> {
    let stage = Remote::open(&args.cluster).await?;
    let mut ids = args.ids.clone();
    if args.all {
        let filter = Filter { resolved_too: false, cause: args.cause };
        // The oldest first: the order in which they came.
        let lines = stage.list(filter, BATCH).await?;
        ids = lines.iter().rev().filter(|line| line.state == State::Open).map(|line| line.id).collect();
    }
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        let refused = stage.replay(id).await.err();
        answers.push(Answer { id, sent: refused.is_none(), reason: refused.unwrap_or_default() });
    }
    Ok(answers)
}

/// This command sends to the Broker, and records what it sent.
async fn by_hand(args: &Args) -> Result<Vec<Answer>, Failure> {
    let broker = args.broker.clone().unwrap_or_default().url(&args.state)?;
    let client = database::client(&args.state).await?;
    let http = runtime::http_client(&ClientOptions::default())
        .map_err(|error| Failure::because("no HTTP client can be built", &error))?;
    let mut answers = Vec::new();
    for id in chosen(args, &client).await? {
        let stored = super::stored(&client, id).await?;
        let refused = send(&http, &broker, &stored).await.err();
        if refused.is_none() {
            dead_letters::mark_sent(&client, &stored, Clock::system().now())
                .await
                .map_err(|error| database::failed(&error.into()))?;
        }
        answers.push(Answer { id: stored.id, sent: refused.is_none(), reason: refused.unwrap_or_default() });
    }
    Ok(answers)
}

/// The dead letters to send, all of them known before the first is sent.
async fn chosen(args: &Args, client: &Client) -> Result<Vec<Uuid>, Failure> {
    if !args.all {
        return Ok(args.ids.clone());
    }
    let filter = Filter { resolved_too: false, cause: args.cause };
    let dead_letters = super::listed(client, filter, BATCH).await?;
    // The oldest first: the order in which they came.
    Ok(dead_letters
        .iter()
        .rev()
        .filter(|stored| stored.state() == State::Open)
        .map(|stored| stored.id)
        .collect())
}

/// Posts the event as it was, in binary mode; the reason where the Broker did not take it.
async fn send(
    http: &reqwest::Client,
    broker: &reqwest::Url,
    dead_letter: &StoredDeadLetter,
) -> Result<(), String> {
    let event = dead_letter.to_event().map_err(|error| format!("it is no valid event: {error}"))?;
    let (headers, body) = cloudevent::to_binary(&event);
    let mut request = http.post(broker.clone()).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status().as_u16();
            let reason = reason_of(response).await.unwrap_or_default();
            Err(words::answered("the Broker", status, &reason))
        }
        Err(error) => Err(format!("no answer of the Broker: {}", words::no_answer(error))),
    }
}

impl Row for Answer {
    const HEADINGS: &'static [&'static str] = &["ID", "SENT", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.to_string(), if self.sent { "yes" } else { "no" }.to_owned(), self.reason.clone()]
    }
}
