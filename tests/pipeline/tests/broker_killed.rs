//! `freshet up` killed in the middle of traffic: the next one on the same folder goes on, and nothing is lost or doubled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pipeline_tests::checker::{self, Answer, Sent};
use pipeline_tests::farm::payloads_of;
use pipeline_tests::left_behind::left_behind;
use pipeline_tests::random::Random;
use pipeline_tests::stand::binaries;
use pipeline_tests::traffic::Payload;
use runtime::Clock;
use testkit::{eventually, free_port};
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls};

const PIPELINE: &str = "
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: FIELD_KEY}}]
    mapping:
      items: /items
      device: /device
      time: /time
      metrics:
        temperature: {value: /t, unit: Cel}
        relative_humidity: {value: /h, unit: \"%\"}
";
const KEY: &str = "up-key-1f";
const PAYLOADS: usize = 80;
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn everything_accepted_before_up_was_killed_is_stored_by_the_next() {
    killed("everything_accepted_before_up_was_killed_is_stored_by_the_next", "broker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_direct_mode_too() {
    killed("in_direct_mode_too", "direct").await;
}

async fn killed(test: &str, mode: &str) {
    if postgres_local::find_binaries().is_err() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "PostgreSQL's server binaries were not found");
        println!("skipped: {test}: PostgreSQL's server binaries were not found");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("freshet.yaml"), PIPELINE).unwrap();
    let now: Timestamp = Clock::system().now();
    let mut traffic = payloads_of(1, &mut Random::new(1), PAYLOADS, now);
    let after = traffic.split_off(PAYLOADS - 5);

    let first = Up::start(folder.path(), mode).await;
    let mut sent = first.post_and_die(traffic).await;
    let accepted = sent.iter().filter(|(_, answer)| *answer == Answer::Accepted).count();
    assert!(accepted >= PAYLOADS / 2, "{accepted} payloads were accepted");
    assert!(accepted < sent.len(), "it was killed after the traffic");

    let second = Up::start(folder.path(), mode).await;
    sent.extend(second.post_all(after).await);
    let database = second.database().await;
    eventually(PATIENCE, || async {
        let found = checker::violations(&database, &sent).await.map_err(|error| vec![error.to_string()])?;
        if found.is_empty() { Ok(()) } else { Err(found) }
    })
    .await;
    drop(database);
    second.interrupt().await;
    eventually(PATIENCE, || async {
        let left = left_behind(folder.path());
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// A running `freshet up`.
struct Up {
    folder: PathBuf,
    process: Child,
    webhook: String,
}

impl Up {
    async fn start(folder: &Path, mode: &str) -> Self {
        let port = free_port();
        let published = folder.join(".freshet/database-url");
        // What a killed one has left says nothing of this one.
        let _ = std::fs::remove_file(&published);
        let mut command = Command::new(binaries().join("freshet"));
        command
            .current_dir(folder)
            .env_remove("FRESHET_PIPELINE")
            .env_remove("FRESHET_BROKER")
            .env_remove("DATABASE_URL");
        let process = command
            .args(["up", "--mode", mode, "--port", &port.to_string()])
            .env("FIELD_KEY", KEY)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        eventually(PATIENCE, || async { published.exists() }).await;
        Self { folder: folder.to_owned(), process, webhook: format!("http://127.0.0.1:{port}/hooks/field") }
    }

    async fn post_all(&self, payloads: Vec<Payload>) -> Vec<Sent> {
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        futures_util::stream::iter(payloads)
            .map(|payload| post(&client, &self.webhook, payload))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    /// Posts, and kills the process while some are under way.
    async fn post_and_die(mut self, payloads: Vec<Payload>) -> Vec<Sent> {
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        let webhook = self.webhook.clone();
        let deadly = payloads.len() * 2 / 3;
        let mut answers = futures_util::stream::iter(payloads)
            .map(|payload| post(&client, &webhook, payload))
            .buffer_unordered(AT_ONCE);
        let mut sent = Vec::new();
        while let Some(answer) = answers.next().await {
            sent.push(answer);
            if sent.len() == deadly {
                self.process.start_kill().unwrap();
            }
        }
        self.process.wait().await.unwrap();
        sent
    }

    async fn database(&self) -> Client {
        let url = std::fs::read_to_string(self.folder.join(".freshet/database-url")).unwrap();
        let (client, connection) = tokio_postgres::connect(url.trim(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Ctrl-C.
    async fn interrupt(mut self) {
        let pid = i32::try_from(self.process.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        let status = tokio::time::timeout(PATIENCE, self.process.wait()).await.expect("it ends").unwrap();
        assert!(status.success(), "{status}");
    }
}

async fn post(client: &reqwest::Client, webhook: &str, payload: Payload) -> Sent {
    let request = client
        .post(webhook)
        .header("content-type", "application/json")
        .header("x-api-key", KEY)
        .body(payload.body());
    let answer = match request.send().await {
        Ok(answer) if answer.status().is_success() => Answer::Accepted,
        _ => Answer::Unknown,
    };
    (payload, answer)
}
