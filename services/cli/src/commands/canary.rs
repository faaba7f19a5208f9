//! `freshet canary`.

use std::time::Duration;

use jiff::Timestamp;
use pipeline_config::canary::{self, DEVICE_BY_HAND, METRIC, NAME, RULE};
use runtime::{ClientOptions, Clock};
use serde::Serialize;
use store::canary::{Payload, Phases, Progress, progress};
use store::{Database, StoreError};
use tokio::time::Instant;

use crate::database;
use crate::output::{self, Format};
use crate::pipeline_file::PipelineFile;
use crate::send::credential::Shown;
use crate::send::input::Item;
use crate::send::run::reason_of;
use crate::send::target::{Outgoing, Target};
use crate::state_directory::StateDirectory;
use crate::words;
use runtime::Failure;

use super::Done;

/// Send the payload of the pipeline's canary, wait until its alert is a delivered notification, and print the time of each part
///
/// The pipeline file has a `canary`; its token comes from where the file says. Its notification goes to a receiver that is a row: nobody is notified.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where ingest is reached
    #[arg(long, visible_alias = "to", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = words::url)]
    url: reqwest::Url,
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
/// The time between two looks how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// How long after it was sent each part was over, by the clocks of those who did it.
#[derive(Debug, Serialize)]
struct Answer {
    attempts: u32,
    accepted_ms: i128,
    stored_ms: Option<i128>,
    recorded_ms: Option<i128>,
    delivered_ms: Option<i128>,
}

/// Sends and waits.
///
/// # Errors
/// Where the payload is not taken, or does not come all the way in time.
pub async fn run(args: &Args, format: Format) -> Result<Done, Failure> {
    let pipeline = args.pipeline.load()?;
    let Some(source) = pipeline.sources.get(NAME) else {
        return Err(
            Failure::new("the pipeline has no canary").hint("give it one: canary: {secret: {env: NAME}}")
        );
    };
    let clock = Clock::system();
    let database = Database::new(&database::settings(&args.state)?);
    // A database that is out of reach is reported before anything is sent.
    drop(database.client().await.map_err(|error| database::failed(&error))?);
    let at = canary::time_of_payload(clock.now());
    let mut url = args.url.clone();
    url.set_path(&format!("/hooks/{NAME}"));
    let item = Item::Body {
        content_type: "application/json",
        bytes: canary::payload(DEVICE_BY_HAND, at).into_bytes(),
    };
    let request = Target::Webhook { url }
        .outgoing(item, clock.now())
        .map_err(|error| Failure::because("the payload cannot be sent", &error))?;
    let request = match Shown::of(source)? {
        Some(credential) => credential.on(request, clock.now()),
        None => request,
    };
    let deadline = Instant::now() + args.timeout;
    let sent_at = clock.now();
    let attempts = deliver(&request, deadline).await?;
    let accepted_at = clock.now();
    let phases = wait(&database, at, deadline).await?;
    let answer = Answer::of(attempts, sent_at, accepted_at, phases);
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

/// Until its notification is delivered.
async fn wait(database: &Database, at: Timestamp, deadline: Instant) -> Result<Phases, Failure> {
    loop {
        let seen = look(database, at).await;
        let is_up = Instant::now() > deadline;
        match seen {
            Ok(Progress { phases, .. }) if phases.delivered_at.is_some() => return Ok(phases),
            Ok(progress) if is_up || progress.failure.is_some() => {
                return Err(Failure::new(output::printable(&progress.stuck())).hint(
                    "`freshet status`, `freshet doctor` and `freshet dead-letters list` show where it may be",
                ));
            }
            // The database may be away for a while.
            Err(error) if is_up => return Err(database::failed(&error)),
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn look(database: &Database, at: Timestamp) -> Result<Progress, StoreError> {
    let payload = Payload { source: NAME, device: DEVICE_BY_HAND, metric: METRIC, rule: RULE, at };
    Ok(progress(&database.client().await?, payload).await?)
}

impl Answer {
    fn of(attempts: u32, sent_at: Timestamp, accepted_at: Timestamp, phases: Phases) -> Self {
        // Clocks differ: nothing counts as before it was sent.
        let after = |at: Timestamp| at.duration_since(sent_at).as_millis().max(0);
        Self {
            attempts,
            accepted_ms: after(accepted_at),
            stored_ms: phases.stored_at.map(after),
            recorded_ms: phases.recorded_at.map(after),
            delivered_ms: phases.delivered_at.map(after),
        }
    }

    fn lines(&self) -> Vec<String> {
        let attempts =
            if self.attempts == 1 { String::new() } else { format!(", at attempt {}", self.attempts) };
        let after = |what: &str, at: Option<i128>| at.map(|at| format!("{what} after {at} ms"));
        let accepted = format!("accepted by ingest after {} ms{attempts}", self.accepted_ms);
        let rest = [
            after("stored", self.stored_ms),
            after("its alert recorded", self.recorded_ms),
            after("its notification delivered", self.delivered_ms),
        ];
        std::iter::once(accepted).chain(rest.into_iter().flatten()).collect()
    }
}
