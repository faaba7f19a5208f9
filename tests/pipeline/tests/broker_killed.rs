//! `freshet up` killed in the middle of traffic: the next one on the same folder goes on, and nothing is lost or doubled.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use pipeline_tests::checker::{self, Answer, Sent};
use pipeline_tests::farm::payloads_of;
use pipeline_tests::left_behind::left_behind;
use pipeline_tests::traffic::Payload;
use pipeline_tests::up::{SECRETS, Up, has_postgres};
use runtime::Clock;
use testkit::Random;
use testkit::eventually;
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
    if !has_postgres(test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("freshet.yaml"), PIPELINE).unwrap();
    let now: Timestamp = Clock::system().now();
    let mut traffic = payloads_of(1, &mut Random::new(1), PAYLOADS, now);
    let after = traffic.split_off(PAYLOADS - 5);

    let first = start(folder.path(), mode).await;
    let mut sent = post_and_die(first, traffic).await;
    let accepted = sent.iter().filter(|(_, answer)| *answer == Answer::Accepted).count();
    assert!(accepted >= PAYLOADS / 2, "{accepted} payloads were accepted");
    assert!(accepted < sent.len(), "it was killed after the traffic");

    let second = start(folder.path(), mode).await;
    sent.extend(post_all(&second, after).await);
    let database = database(&second).await;
    eventually(PATIENCE, || async {
        let found = checker::violations(&database, &sent).await.map_err(|error| vec![error.to_string()])?;
        if found.is_empty() { Ok(()) } else { Err(found) }
    })
    .await;
    drop(database);
    let status = tokio::time::timeout(PATIENCE, second.interrupt()).await.expect("it ends");
    assert!(status.success(), "{status}");
    eventually(PATIENCE, || async {
        let left = left_behind(folder.path());
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

async fn start(folder: &Path, mode: &str) -> Up {
    let (state, arguments) = (folder.join(".freshet"), ["--mode", mode]);
    let up = Up::start_in(folder, &state, &arguments, &[]);
    tokio::time::timeout(PATIENCE, up).await.expect("it starts")
}

async fn post_all(up: &Up, payloads: Vec<Payload>) -> Vec<Sent> {
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    futures_util::stream::iter(payloads)
        .map(|payload| post(&client, &up.webhook, payload))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Posts, and kills the process while some are under way.
async fn post_and_die(mut up: Up, payloads: Vec<Payload>) -> Vec<Sent> {
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let webhook = up.webhook.clone();
    let deadly = payloads.len() * 2 / 3;
    let mut answers = futures_util::stream::iter(payloads)
        .map(|payload| post(&client, &webhook, payload))
        .buffer_unordered(AT_ONCE);
    let mut sent = Vec::new();
    while let Some(answer) = answers.next().await {
        sent.push(answer);
        if sent.len() == deadly {
            up.process.start_kill().unwrap();
        }
    }
    up.process.wait().await.unwrap();
    sent
}

async fn database(up: &Up) -> Client {
    let (client, connection) = tokio_postgres::connect(up.database_url().trim(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn post(client: &reqwest::Client, webhook: &str, payload: Payload) -> Sent {
    let request = client
        .post(webhook)
        .header("content-type", "application/json")
        .header("x-api-key", SECRETS[0].1)
        .body(payload.body());
    let answer = match request.send().await {
        Ok(answer) if answer.status().is_success() => Answer::Accepted,
        _ => Answer::Unknown,
    };
    (payload, answer)
}
