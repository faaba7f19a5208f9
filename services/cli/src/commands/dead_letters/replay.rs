//! `freshet dead-letters replay`.

use codecs::Codecs;
use event_model::cloudevent;
use pipeline_config::Pipeline;
use runtime::{ClientOptions, Clock};
use serde::Serialize;
use store::dead_letters::{self, StoredDeadLetter};
use store::{Client, active_pipeline};
use uuid::Uuid;

use super::DeadLetterStore;
use super::filter::Chosen;
use crate::alert_difference::{Alerts, Gathered};
use crate::broker::Broker;
use crate::cluster_args::ClusterArgs;
use crate::commands::Done;
use crate::database;
use crate::difference::{self, Counts, Given, Line};
use crate::output::{self, Format, Row};
use crate::pace::Pace;
use crate::pipeline_file::PipelineFile;
use crate::send::run::reason_of;
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

/// What `freshet dead-letters replay` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Only print what would be stored, beside what is where a database is at hand, and the alerts that would change by it
    #[arg(long)]
    dry_run: bool,
    /// How many a second at most
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// The Broker's ingress; that of a running `freshet up` if not given
    #[arg(long, value_name = "URL", env = "FRESHET_BROKER")]
    broker: Option<Broker>,
    #[command(flatten)]
    pipeline: PipelineFile,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    state: StateDirectory,
}

/// What became of one replay.
#[derive(Debug, Serialize)]
struct Answer {
    id: Uuid,
    sent: bool,
    reason: String,
}

/// Sends them one after another; one that is not taken stays as it is.
pub(super) async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let mut store = DeadLetterStore::open(&args.cluster, &args.state).await?;
    let ids = args.chosen.ids(&store).await?;
    if args.dry_run {
        return dry_run(args, &mut store, &ids, format).await;
    }
    let by_hand = match &store {
        DeadLetterStore::Stage(_) => None,
        DeadLetterStore::Database(_) => Some(ByHand::new(args)?),
    };
    let mut pace = Pace::of(args.rate);
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        pace.wait_for(1).await;
        let refused = match (&store, &by_hand) {
            // The stage on the cluster sends, and records what it sent.
            (DeadLetterStore::Stage(stage), _) => stage.replay(id).await.err(),
            (DeadLetterStore::Database(client), Some(by_hand)) => by_hand.replay(client, id).await?,
            (DeadLetterStore::Database(_), None) => continue,
        };
        answers.push(Answer { id, sent: refused.is_none(), reason: refused.unwrap_or_default() });
    }
    output::rows(format, &answers)?;
    let sent = answers.iter().filter(|answer| answer.sent).count();
    eprintln!("{sent} of {} sent back", answers.len());
    Ok(if sent == answers.len() { Done::Well } else { Done::Badly })
}

/// What the replays would change, a line a reading, and what rules would make of that.
async fn dry_run(
    args: &Args,
    store: &mut DeadLetterStore,
    ids: &[Uuid],
    format: Format,
) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let codecs = Codecs::default();
    let (mut lines, mut gathered) = (Vec::new(), Gathered::default());
    for id in ids {
        let dead_letter = store.get(*id).await?;
        let event =
            dead_letter.to_event().map_err(|error| Failure::because("it is no valid event", &error))?;
        let client = match &*store {
            DeadLetterStore::Database(client) => Some(&**client),
            DeadLetterStore::Stage(_) => None,
        };
        let given = Given::of_event(event, (&pipeline, &codecs), Clock::system().now()).await;
        let of_one = difference::of(client, &given, &id.to_string()).await?;
        gathered.add(given.source(), std::slice::from_ref(&given), &of_one);
        lines.extend(of_one);
    }
    let alerts = alerts(&gathered, store, &pipeline).await?;
    alerts.print(format, &lines, usize::MAX)?;
    let mut counts = Counts::default();
    counts.add(&lines);
    eprintln!("{counts}");
    alerts.sums().for_each(|sum| eprintln!("{sum}"));
    Ok(if lines.iter().any(Line::is_problem) { Done::Badly } else { Done::Well })
}

/// What rules would make of what the replays change: those in force, as far as the database is at hand.
async fn alerts(
    gathered: &Gathered,
    store: &mut DeadLetterStore,
    pipeline: &Pipeline,
) -> Result<Alerts, Failure> {
    let DeadLetterStore::Database(client) = store else {
        return Ok(Alerts::not_looked_at("no database is at hand"));
    };
    let active = active_pipeline::hash(&**client).await.map_err(|error| database::failed(&error.into()))?;
    if active.as_ref() != Some(&pipeline.hash) {
        return Ok(Alerts::not_looked_at("the pipeline is not the one in force"));
    }
    gathered.alerts(client, pipeline).await
}

/// This command sends to the Broker, and records what it sent.
struct ByHand {
    http: reqwest::Client,
    broker: reqwest::Url,
}

impl ByHand {
    fn new(args: &Args) -> Result<Self, Failure> {
        let broker = args.broker.clone().unwrap_or_default().url(&args.state)?;
        let http = runtime::http_client(&ClientOptions::default())
            .map_err(|error| Failure::because("no HTTP client can be built", &error))?;
        Ok(Self { http, broker })
    }

    /// The reason where it is not taken.
    async fn replay(&self, client: &Client, id: Uuid) -> Result<Option<String>, Failure> {
        let stored = super::stored(client, id).await?;
        let refused = send(&self.http, &self.broker, &stored).await.err();
        if refused.is_none() {
            let marked = dead_letters::mark_sent(client, &stored, Clock::system().now()).await;
            marked.map_err(|error| database::failed(&error.into()))?;
        }
        Ok(refused)
    }
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
