//! A pipeline whose mode is changed over the same data, in the middle of traffic.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pipeline_tests::up::{PATIENCE, SECRETS, Up, has_postgres};
use testkit::eventually;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

const PIPELINE: &str = "
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: FIELD_KEY}}]
    mapping: {device: /device, time: /time, metrics: {temperature: {value: /t, unit: Cel}}}
rules:
  Hot: {metric: temperature, above: 30}
";
const SENDERS: u64 = 8;
/// Payloads that are taken in each mode.
const PART: u64 = 60;

/// Senders that go on sending whatever happens, each until its payload is taken.
struct Traffic {
    /// Where they send, while something listens there.
    webhook: watch::Sender<Option<String>>,
    over: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    /// Payloads that were sent, and whose answer never came or said neither: they may have been taken.
    unknown: Arc<AtomicU64>,
    senders: JoinSet<()>,
}

impl Traffic {
    fn begin() -> Self {
        let mut traffic = Self {
            webhook: watch::Sender::default(),
            over: Arc::default(),
            taken: Arc::default(),
            unknown: Arc::default(),
            senders: JoinSet::new(),
        };
        for sender in 0..SENDERS {
            let (mut webhook, over) = (traffic.webhook.subscribe(), traffic.over.clone());
            let (taken, unknown) = (traffic.taken.clone(), traffic.unknown.clone());
            traffic.senders.spawn(async move {
                let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    number += 1;
                    let (device, time) = (format!("s-{sender}"), 1_767_225_600_000_u64 + number);
                    let body = format!(r#"{{"device": "{device}", "time": {time}, "t": 35.5}}"#);
                    loop {
                        let to = webhook.wait_for(Option::is_some).await.unwrap().clone().unwrap();
                        let request = client.post(to).header("content-type", "application/json");
                        let request = request.header("x-api-key", SECRETS[0].1).timeout(PATIENCE);
                        match request.body(body.clone()).send().await {
                            Ok(answer) if answer.status().is_success() => break,
                            Err(error) if error.is_connect() => {}
                            _ => {
                                unknown.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        traffic
    }

    /// Sends there until so many more were taken.
    async fn to(&self, up: &Up) {
        self.webhook.send_replace(Some(up.webhook.clone()));
        let goal = self.taken.load(Ordering::Relaxed) + PART;
        eventually(PATIENCE, || async { self.taken.load(Ordering::Relaxed) >= goal }).await;
    }

    /// How many payloads were taken, and how many attempts may have been taken beside.
    async fn end(mut self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        while let Some(sender) = self.senders.join_next().await {
            sender.unwrap();
        }
        (self.taken.load(Ordering::Relaxed), self.unknown.load(Ordering::Relaxed))
    }
}

async fn number(client: &Client, of: &str) -> u64 {
    let row = client.query_one(&format!("select coalesce({of}, 0)::bigint"), &[]).await.unwrap();
    u64::try_from(row.get::<_, i64>(0)).unwrap()
}

/// Goes through `modes` one after the other, each a `freshet up` with these arguments over the same data.
async fn changed(test: &str, modes: &[&[&str]], environment: &[(&str, &str)]) {
    if !has_postgres(test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("freshet.yaml"), PIPELINE).unwrap();
    let state = folder.path().join("state");
    let traffic = Traffic::begin();
    let mut last = None;
    for arguments in modes {
        if let Some(up) = last.take() {
            // In the middle of requests; no other is sent before something listens again.
            traffic.webhook.send_replace(None);
            assert!(Up::interrupt(up).await.success());
        }
        let up = Up::start_in(folder.path(), &state, arguments, environment).await;
        traffic.to(&up).await;
        last = Some(up);
    }
    let (taken, unknown) = traffic.end().await;
    let up = last.unwrap();
    let (client, connection) = tokio_postgres::connect(&up.database_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    eventually(PATIENCE, || async {
        let stored = number(&client, "(select count(*) from moment)").await;
        if stored == taken { Ok(()) } else { Err((stored, taken)) }
    })
    .await;
    // What was stored twice would have a second receipt.
    let receipts = "(select sum(coalesce(records, 1)) from receipt where outcome = 'stored')";
    let receipts = number(&client, receipts).await;
    assert!((taken..=taken + unknown).contains(&receipts), "{receipts} of {taken} taken, {unknown} unknown");
    assert_eq!(number(&client, "(select count(*) from dead_letter where resolved_at is null)").await, 0);
    // And each device has fired once: at its first reading, which may be stored behind a later one.
    eventually(PATIENCE, || async {
        let fired = number(
            &client,
            "(select count(*) from alert_transition where kind = 'firing' and retracted_by is null)",
        )
        .await;
        if fired == SENDERS { Ok(()) } else { Err(fired) }
    })
    .await;
    drop(client);
    assert!(up.interrupt().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_broker_mode_to_direct_mode_and_back_nothing_is_lost_or_doubled() {
    let modes: [&[&str]; 3] = [&["--mode", "broker"], &["--mode", "direct"], &["--mode", "broker"]];
    changed("from_broker_mode_to_direct_mode_and_back_nothing_is_lost_or_doubled", &modes, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn into_topic_mode_and_out_of_it_nothing_is_lost_or_doubled() {
    let Some(kafka) = testkit::kafka().await else { return };
    let topic = kafka.unique("modes");
    // The worker reads what is left, in either mode.
    let (topic_mode, left) = (["--mode", "topic", "--topic", &topic], ["--topic", &topic]);
    let (direct, broker) =
        ([&["--mode", "direct"][..], &left].concat(), [&["--mode", "broker"][..], &left].concat());
    let modes: [&[&str]; 5] = [&["--mode", "broker"], &topic_mode, &direct, &topic_mode, &broker];
    let environment = [("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap())];
    changed("into_topic_mode_and_out_of_it_nothing_is_lost_or_doubled", &modes, &environment).await;
}
