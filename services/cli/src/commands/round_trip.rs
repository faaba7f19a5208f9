//! `freshet round-trip`.

use std::time::Duration;

use runtime::{ClientOptions, Clock};
use serde::Serialize;
use store::Database;
use tokio::time::Instant;

use crate::database;
use crate::output::{self, Format};
use crate::pipeline_file::{self, PipelineFile};
use crate::round_trip::{Fate, Probe};
use crate::send::credential::Shown;
use crate::send::run::reason_of;
use crate::send::target::{Outgoing, Target};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::Done;

/// Send one payload through a source's webhook, wait for its row in the database, and print the time of each part
///
/// The source is one of the pipeline file, of format json; its credential comes from where the file says. The row is that
/// of the device `round-trip`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where ingest is reached
    #[arg(long, visible_alias = "to", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = words::url)]
    url: reqwest::Url,
    /// The source of the pipeline file to send as
    #[arg(long, value_name = "NAME")]
    source: String,
    #[command(flatten)]
    pipeline: PipelineFile,
    /// How long all of it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = super::duration)]
    timeout: Duration,
    #[command(flatten)]
    state: StateDirectory,
}

/// The time between two attempts at the webhook.
const PAUSE: Duration = Duration::from_secs(1);
/// The time between two looks for the row.
const LOOK: Duration = Duration::from_millis(100);

/// How long each part took.
#[derive(Debug, Serialize)]
struct Answer {
    attempts: u32,
    accepted_ms: u128,
    stored_ms: u128,
}

/// Sends and waits.
///
/// # Errors
/// Where the payload is not taken, becomes a dead letter, or has no row in time.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let source = pipeline_file::source(&pipeline, &args.source)?;
    let clock = Clock::system();
    let probe = Probe::new(source, clock.now())?;
    let database = Database::new(&database::settings(&args.state)?);
    // A database that is out of reach is reported before anything is sent.
    drop(database.client().await.map_err(|error| database::failed(&error))?);
    let mut url = args.url.clone();
    url.set_path(&format!("/hooks/{}", args.source));
    let request = Target::Webhook { url }
        .outgoing(probe.item(), clock.now())
        .map_err(|error| Failure::because("the payload cannot be sent", &error))?;
    let request = match Shown::of(source)? {
        Some(credential) => credential.on(request, clock.now()),
        None => request,
    };
    let begin = Instant::now();
    let deadline = begin + args.timeout;
    let attempts = deliver(&request, deadline).await?;
    let accepted_ms = begin.elapsed().as_millis();
    wait(&probe, &database, deadline).await?;
    let answer = Answer { attempts, accepted_ms, stored_ms: begin.elapsed().as_millis() };
    match format {
        Format::Json => output::json(&answer)?,
        Format::Table => answer.lines().iter().try_for_each(|line| output::write_line(line))?,
    }
    Ok(Done::Well)
}

/// Sends until it is taken; the number of attempts.
async fn deliver(request: &Outgoing, deadline: Instant) -> Result<u32, Failure> {
    let mut attempt = 1;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let refusal = match post(request, left).await? {
            Ok(()) => return Ok(attempt),
            Err(refusal) => refusal,
        };
        if !refusal.may_pass_later || Instant::now() + PAUSE > deadline {
            let words = format!("ingest did not take the payload: {}", refusal.reason);
            return Err(Failure::new(words).hint(refusal.hint));
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why the webhook did not take the payload.
struct Refusal {
    reason: String,
    hint: &'static str,
    may_pass_later: bool,
}

async fn post(request: &Outgoing, limit: Duration) -> Result<Result<(), Refusal>, Failure> {
    let options = ClientOptions { timeout: limit, connect_timeout: limit, ..ClientOptions::default() };
    let client =
        runtime::http_client(&options).map_err(|error| Failure::because("no HTTP client", &error))?;
    let mut builder = client.post(&request.url).body(request.body.clone());
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let (status, reason) = match builder.send().await {
        Ok(response) if response.status().is_success() => return Ok(Ok(())),
        Ok(response) => {
            let status = response.status().as_u16();
            (status, words::answered("it", status, &reason_of(response).await.unwrap_or_default()))
        }
        Err(error) => {
            let reason = format!("no answer: {}", words::no_answer(error));
            let hint = "is the URL that of ingest, and is its Knative Service ready?";
            return Ok(Err(Refusal { reason, hint, may_pass_later: true }));
        }
    };
    let hint = match status {
        401 => "the credential is not the one that ingest has",
        404 => "ingest has no such source: is its pipeline file the one that is used here?",
        429 => "the source is above its rate",
        502..=504 => "the Broker or Kafka is not there, or the pod did not start in time",
        _ => "ingest's log says more",
    };
    let may_pass_later = matches!(status, 429 | 502..=504);
    Ok(Err(Refusal { reason, hint, may_pass_later }))
}

/// Until the row is there.
async fn wait(probe: &Probe, database: &Database, deadline: Instant) -> Result<(), Failure> {
    loop {
        let seen = match database.client().await {
            Ok(client) => probe.fate(&client).await,
            Err(error) => Err(error),
        };
        match seen {
            Ok(Fate::Stored) => return Ok(()),
            Ok(Fate::DeadLetter(reason)) => {
                let words = format!("the payload is a dead letter: {}", output::printable(&reason));
                return Err(Failure::new(words).hint("`freshet dead-letters list` shows it"));
            }
            Ok(Fate::UnderWay) if Instant::now() > deadline => {
                return Err(Failure::new("ingest took the payload, but its row is not there in time")
                    .hint("`freshet status` and `freshet doctor` show where it may be"));
            }
            // The database may be away for a while.
            Err(error) if Instant::now() > deadline => return Err(database::failed(&error)),
            Ok(Fate::UnderWay) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

impl Answer {
    fn lines(&self) -> [String; 2] {
        let Self { attempts, accepted_ms, stored_ms } = self;
        let after = stored_ms.saturating_sub(*accepted_ms);
        let attempts = if *attempts == 1 { String::new() } else { format!(", at attempt {attempts}") };
        [
            format!("accepted by ingest after {accepted_ms} ms{attempts}"),
            format!("row in the database after {stored_ms} ms, {after} ms after it was accepted"),
        ]
    }
}
