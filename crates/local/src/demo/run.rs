//! The demo from its preparation to what came of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use knative_local::{Running, Stats};
use runtime::{ClientOptions, Clock, Failure};
use store::{Client, sums};
use topology::TICK_TIMER;
use uuid::Uuid;

use super::burst::{self, Sent};
use super::comparison::{self, Comparison};
use super::fleet::Fleet;
use super::moments::Moments;
use super::receiver::Receiver;
use crate::state_directory::StateDirectory;

/// The demo's pipeline file, as it stands in the sources.
const PIPELINE: &str = include_str!("../../demo/freshet.yaml");
/// How long the sums may take to agree after the last request.
const LIMIT: Duration = Duration::from_secs(150);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// A demo that is ready to run.
pub struct Demo {
    pipeline: PathBuf,
    key: String,
    signing_secret: String,
    receiver: Receiver,
}

/// What came of a demo.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The requests and their answers.
    pub sent: Sent,
    /// The sums, planned and found.
    pub comparisons: Vec<Comparison>,
    /// Whether every stage that does not always run came to zero processes between two ticks.
    pub at_zero: bool,
    /// Process-seconds of an idle hour with the default tick.
    pub idle_hour: f64,
}

impl Outcome {
    /// Whether everything came as planned.
    pub fn agrees(&self) -> bool {
        self.comparisons.iter().all(Comparison::agrees) && self.sent.unexpected.is_empty() && self.at_zero
    }
}

impl Demo {
    /// Empties the demo's state, writes its pipeline file, and starts the receiver of its alerts.
    ///
    /// # Errors
    /// Where a file cannot be written, or no port be had.
    pub async fn prepare(directory: &StateDirectory) -> Result<Self, Failure> {
        directory.empty()?;
        let pipeline = directory.path().join("freshet.yaml");
        std::fs::write(&pipeline, PIPELINE)
            .map_err(|error| Failure::because("the demo's pipeline file cannot be written", &error))?;
        let receiver = Receiver::start()
            .await
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

    /// Sends the burst through the webhook at `base`, and waits until the sums agree and every stage is at zero.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn run(
        self,
        base: &str,
        database: &Client,
        running: &Running,
        tick: Duration,
    ) -> Result<Outcome, Failure> {
        let begin = Clock::system().now();
        let fleet = Fleet::plan(Moments::ending_before(begin));
        let client = runtime::http_client(&ClientOptions::default())
            .map_err(|error| Failure::because("no HTTP client", &error))?;
        eprintln!("demo: {} requests of {} devices", fleet.requests.len(), fleet.devices);
        let sent = burst::send(&client, base, &self.key, &fleet.requests).await;
        let comparisons = self.until_sums_agree(database, &fleet, begin).await?;
        let (at_zero, idle_hour) = at_rest(running, tick).await;
        Ok(Outcome { sent, comparisons, at_zero, idle_hour })
    }

    async fn until_sums_agree(
        &self,
        database: &Client,
        fleet: &Fleet,
        since: Timestamp,
    ) -> Result<Vec<Comparison>, Failure> {
        let begin = Instant::now();
        loop {
            let found = sums::since(database, since)
                .await
                .map_err(|error| Failure::because("the database does not answer", &error))?;
            let comparisons = comparison::compare(fleet, &found, self.receiver.received());
            if comparisons.iter().all(Comparison::agrees) || begin.elapsed() > LIMIT {
                return Ok(comparisons);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// Waits for zero, then through one more tick for zero again: whether it came, and the process-seconds of an idle hour
/// with the default tick.
async fn at_rest(running: &Running, tick: Duration) -> (bool, f64) {
    let first = zero(running, tick * 3).await;
    let before = running.stats();
    let started = until(tick * 2, || starts(&running.stats()) > starts(&before)).await;
    let second = zero(running, tick * 3).await;
    // One tick came through: what it used is what one tick costs.
    let used = process_seconds(&running.stats()) - process_seconds(&before);
    (first && started && second, used * 3600.0 / TICK_TIMER.every.as_secs_f64())
}

fn starts(stats: &Stats) -> u64 {
    stats.services.values().map(|stage| stage.starts).sum()
}

fn process_seconds(stats: &Stats) -> f64 {
    stats.services.values().map(|stage| stage.process_seconds).sum()
}

async fn zero(running: &Running, limit: Duration) -> bool {
    until(limit, || running.stats().services.values().all(|stage| stage.processes <= stage.min_processes))
        .await
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
