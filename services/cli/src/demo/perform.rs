//! The demo from its curtain to its verdict.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use knative_local::Running;
use runtime::{ClientOptions, Clock};
use serde::Serialize;
use tokio_postgres::{Client, NoTls};
use topology::TICK_TIMER;
use uuid::Uuid;

use crate::commands::Done;
use crate::output::{self, Format, Row};
use crate::up::directory::StateDirectory;
use crate::up::idle;
use runtime::Failure;

use super::clock_face::ClockFace;
use super::fleet::Fleet;
use super::ledger::{self, Entry};
use super::play::{self, Played};
use super::receiver::Receiver;

/// The demo's pipeline file, as it stands in the sources.
const PIPELINE: &str = include_str!("../../demo/freshet.yaml");
/// How long the sums may take to agree after the last request.
const LIMIT: Duration = Duration::from_secs(150);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// A demo that is ready to be performed.
pub struct Play {
    pipeline: PathBuf,
    key: String,
    signing_secret: String,
    receiver: Receiver,
}

impl Play {
    /// Empties the demo's state, writes its pipeline file, and opens the place where its alerts are told.
    ///
    /// # Errors
    /// Where a file cannot be written, or no port be had.
    pub fn prepare(directory: &StateDirectory) -> Result<Self, Failure> {
        directory.empty()?;
        let pipeline = directory.path().join("freshet.yaml");
        std::fs::write(&pipeline, PIPELINE)
            .map_err(|error| Failure::because("the demo's pipeline file cannot be written", &error))?;
        let receiver = Receiver::start()
            .map_err(|error| Failure::because("the demo's receiver does not start", &error))?;
        Ok(Self {
            pipeline,
            key: Uuid::new_v4().simple().to_string(),
            signing_secret: format!(
                "whsec_{}",
                BASE64.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat())
            ),
            receiver,
        })
    }

    /// The demo's pipeline file.
    pub fn pipeline_path(&self) -> &Path {
        &self.pipeline
    }

    /// The secrets that the pipeline file refers to.
    pub fn environment(&self) -> Vec<(String, String)> {
        vec![
            ("FRESHET_DEMO_KEY".to_owned(), self.key.clone()),
            ("FRESHET_DEMO_WEBHOOK".to_owned(), self.receiver.url()),
            ("FRESHET_DEMO_WEBHOOK_SECRET".to_owned(), self.signing_secret.clone()),
        ]
    }

    /// Plays the burst through the webhook at `base`, waits until the sums agree and every stage is at zero, and prints both.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn perform(
        self,
        base: &str,
        database_url: &str,
        running: &Running,
        tick: Duration,
    ) -> Result<Done, Failure> {
        let begin = Clock::system().now();
        let fleet = Fleet::plan(ClockFace::ending_before(begin));
        let client = runtime::http_client(&ClientOptions::default())
            .map_err(|error| Failure::because("no HTTP client", &error))?;
        eprintln!("demo: {} requests of {} devices", fleet.requests.len(), fleet.devices);
        let played = play::play(&client, base, &self.key, &fleet.requests).await;
        let database = connect(database_url).await?;
        let entries = self.until_sums_agree(&database, &fleet, begin).await?;
        let rest = at_rest(running, tick).await;
        self.receiver.stop().await;
        close(&played, &entries, rest)
    }

    async fn until_sums_agree(
        &self,
        database: &Client,
        fleet: &Fleet,
        since: Timestamp,
    ) -> Result<Vec<Entry>, Failure> {
        let begin = Instant::now();
        loop {
            let entries = ledger::compare(database, fleet, since, self.receiver.received())
                .await
                .map_err(|error| Failure::because("the database does not answer", &error))?;
            if entries.iter().all(Entry::agrees) || begin.elapsed() > LIMIT {
                return Ok(entries);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

async fn connect(url: &str) -> Result<Client, Failure> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .map_err(|error| Failure::because("the database does not answer", &error))?;
    tokio::spawn(connection);
    Ok(client)
}

/// What the pipeline does when nothing comes but ticks.
#[derive(Debug, Clone, Copy)]
struct Rest {
    /// Whether every stage came to zero between two ticks.
    at_zero: bool,
    /// Process-seconds of an idle hour with the default tick.
    idle_hour: f64,
}

/// Waits for zero, then through one more tick for zero again.
async fn at_rest(running: &Running, tick: Duration) -> Rest {
    let first = zero(running, tick * 3).await;
    let from = idle::Reading::of(&running.stats());
    let starts = starts(running);
    let woken = until(tick * 2, || self::starts(running) > starts).await;
    let second = zero(running, tick * 3).await;
    // One tick came through: what it used is what one tick costs.
    let used = from.used(&running.stats());
    Rest { at_zero: first && woken && second, idle_hour: used * 3600.0 / TICK_TIMER.every.as_secs_f64() }
}

fn starts(running: &Running) -> u64 {
    running.stats().services.values().map(|stage| stage.starts).sum()
}

async fn zero(running: &Running, limit: Duration) -> bool {
    until(limit, || running.stats().services.values().all(|stage| stage.processes == 0)).await
}

async fn until(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > limit {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

#[derive(Serialize)]
struct Line<'a>(&'a Entry);

impl Row for Line<'_> {
    const HEADINGS: &'static [&'static str] = &["", "PLANNED", "FOUND", ""];

    fn cells(&self) -> Vec<String> {
        let verdict = if self.0.agrees() { "agree" } else { "DISAGREE" };
        vec![self.0.what.clone(), self.0.planned.clone(), self.0.found.clone(), verdict.to_owned()]
    }
}

fn close(played: &Played, entries: &[Entry], rest: Rest) -> Result<Done, Failure> {
    let lines: Vec<Line<'_>> = entries.iter().map(Line).collect();
    output::rows(Format::Table, &lines)?;
    output::write_line(&format!(
        "{} requests sent: {} accepted, {} refused at the door as planned, {} surprises",
        played.sent,
        played.accepted,
        played.refused,
        played.surprises.len()
    ))?;
    for surprise in &played.surprises {
        output::write_line(&format!("surprise: {surprise}"))?;
    }
    let zero = if rest.at_zero {
        "every stage came to 0 processes, between ticks too"
    } else {
        "a stage did NOT come to 0 processes"
    };
    output::write_line(&format!(
        "{zero}; an idle hour costs {:.0} process-seconds with a tick every {} s",
        rest.idle_hour,
        TICK_TIMER.every.as_secs()
    ))?;
    let agreed = entries.iter().all(Entry::agrees) && played.surprises.is_empty() && rest.at_zero;
    output::write_line(if agreed { "the sums agree" } else { "the sums do NOT agree" })?;
    Ok(if agreed { Done::Well } else { Done::Badly })
}
