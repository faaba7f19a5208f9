//! Direct mode: what is answered is committed, or safe in a Broker that keeps it; and who is refused is told so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use event_model::event_types::{DEAD_LETTERS_DUE, PAYLOAD_RECEIVED};
use event_model::events::APPLICATION_HTTP;
use jiff::{Timestamp, ToSpan as _};
use pipeline_tests::stand::{KEY, PATIENCE, Plan, Stand, binaries};
use testkit::{Process, eventually};
use tokio_postgres::Client;
use topology::Mode;

const PIPELINE: &str = "
tick: 5m
sources:
  field: {format: json, credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]}
  mapped:
    format: json
    keep_requests: problems
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
    mapping: {device: /device, time: /time, metrics: {temperature: {value: /t, unit: Cel}}}
rules:
  Hot: {metric: temperature, above: 30}
  Silent: {metric: temperature, absent: 30m}
";
/// Its messages have ids.
const TWICE: &str = "
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
    mapping: {message_id: /id, device: /device, time: /time, metrics: {temperature: {value: /t, unit: Cel}}}
";
const NOTIFIED: &str = "
receivers:
  ops: {webhook: {url: {env: OPS_URL}}}
network: {allow: [127.0.0.1]}
";
const START_MS: i64 = 1_767_225_600_000;
const START: &str = "2026-03-01T00:00:00Z";

/// Where the Broker is the fallback, what the database does not take in time soon goes there; where it is none, only a database that
/// is away is waited for no longer.
async fn stand(fallback: &str) -> Option<Stand> {
    let [commit, acquire] = if fallback == "none" { ["5000", "4000"] } else { ["500", "400"] };
    let mut plan = Plan::new(PIPELINE);
    plan.mode = Mode::Direct;
    plan.clock = Some(START.parse().unwrap());
    plan.environment = vec![
        ("FALLBACK".to_owned(), fallback.to_owned()),
        ("COMMIT_TIMEOUT_MS".to_owned(), commit.to_owned()),
        ("DATABASE_ACQUIRE_TIMEOUT_MS".to_owned(), acquire.to_owned()),
        ("PERSIST_PAYLOADS".to_owned(), (fallback == "none").to_string()),
    ];
    Stand::up(plan).await
}

async fn count(database: &Client, of: &str) -> i64 {
    database.query_one(&format!("select count(*) from {of}"), &[]).await.unwrap().get(0)
}

fn body(device: &str, temperature: f64) -> Vec<u8> {
    format!(r#"{{"device": "{device}", "temperature": {temperature}}}"#).into_bytes()
}

fn passes(stand: &Stand) -> u64 {
    stand.running.stats().accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_rows_and_wakes_alert_and_nothing_else() {
    let Some(stand) = stand("broker").await else { return };
    let database = stand.database().await;
    assert_eq!(stand.post("field", body("d", 35.0)).await, Some(202));
    assert_eq!(count(&database, "moment").await, 1);
    eventually(PATIENCE, || async { count(&database, "alert_transition").await == 1 }).await;
    stand.rest().await;
    assert_eq!(stand.running.stats().services["transform"].starts, 0);
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_taken_and_is_a_dead_letter() {
    let Some(stand) = stand("broker").await else { return };
    let database = stand.database().await;
    // What its form already shows is refused, as in every mode.
    assert_eq!(stand.post("field", b"{".to_vec()).await, Some(400));
    assert_eq!(stand.post("mapped", br#"{"device": "d", "t": {"raw": "?"}}"#.to_vec()).await, Some(202));
    let sql = "select stage, cause from dead_letter";
    let row = database.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("ingest", "rejected"));
    let rejected = "receipt join request on receipt_id = id where outcome = 'rejected'";
    assert_eq!(count(&database, rejected).await, 1);
    // Of what makes sense this source keeps no request.
    assert_eq!(stand.post("mapped", br#"{"device": "d", "t": 21.5}"#.to_vec()).await, Some(202));
    assert_eq!(count(&database, "receipt where outcome = 'stored'").await, 1);
    assert_eq!(count(&database, "request").await, 1);
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_too_slow_is_passed_by_and_nothing_is_stored_twice() {
    let Some(stand) = stand("broker").await else { return };
    let database = stand.database().await;
    assert_eq!(stand.post("field", body("d", 20.0)).await, Some(202));
    let before = passes(&stand);
    database.batch_execute("begin; lock table moment in access exclusive mode").await.unwrap();
    for n in 0..20 {
        assert_eq!(stand.post("field", body("d", f64::from(n))).await, Some(202));
    }
    // The first was waited for, and the others went to the Broker at once.
    assert!(passes(&stand) >= before + 19, "{}", passes(&stand));
    database.batch_execute("commit").await.unwrap();
    stand.rest().await;
    eventually(PATIENCE, || async { count(&database, "receipt").await == 21 }).await;
    // The breaker closes by itself.
    eventually(PATIENCE, || async {
        let before = passes(&stand);
        stand.post_until_taken("field", body("e", 20.0)).await;
        passes(&stand) == before
    })
    .await;
    stand.rest().await;
    assert_eq!(
        count(&database, "receipt where source = 'field'").await,
        count(&database, "(select distinct event_id from receipt) as one").await
    );
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_broker_keeps_nothing_who_is_refused_comes_again_and_nobody_is_silent_for_it() {
    let Some(mut stand) = stand("none").await else { return };
    let start: Timestamp = START.parse().unwrap();
    assert_eq!(stand.post("field", body("d", 20.0)).await, Some(202));
    stand.set_clock(start + 5.minutes());
    stand.tick().await;
    assert_eq!(count(&stand.database().await, "heartbeat").await, 1);

    stand.set_clock(start + 8.minutes());
    let before = passes(&stand);
    stand.postgres.instance.kill().unwrap();
    assert_eq!(stand.post("field", body("d", 21.0)).await, Some(503));
    assert_eq!(passes(&stand), before, "a Broker that keeps nothing is given no payload");
    tokio::task::block_in_place(|| stand.postgres.instance.restart()).unwrap();

    // Another's payload is stored first, and says with it that one was refused.
    stand.post_until_taken("field", body("e", 20.0)).await;
    let database = stand.database().await;
    assert_eq!(count(&database, "refusal").await, 1);
    stand.set_clock(start + 10.minutes());
    stand.tick().await;
    assert_eq!(count(&database, "heartbeat").await, 1, "the tick after a refusal is none");
    stand.set_clock(start + 15.minutes());
    stand.tick().await;
    assert_eq!(count(&database, "heartbeat").await, 2);
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_broker_keeps_nothing_a_dead_letter_becomes_rows_without_it() {
    let Some(stand) = stand("none").await else { return };
    let database = stand.database().await;
    let dead_letter = stand.running.service_url("dead-letter").unwrap();
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let event = |event_type, source| {
        let event =
            client.post(format!("{dead_letter}/")).header("ce-specversion", "1.0").header("ce-id", "1");
        event.header("ce-type", event_type).header("ce-source", source)
    };
    let failed = event(PAYLOAD_RECEIVED, "/sources/field")
        .header("ce-time", START)
        .header("ce-knativeerrordest", "http://transform.freshet.svc.cluster.local/")
        .header("ce-knativeerrorcode", "503")
        .header("content-type", APPLICATION_HTTP)
        .body("POST /hooks/field HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{\"device\":\"d\",\"temperature\":35}");
    assert!(failed.send().await.unwrap().status().is_success());
    let due =
        event(DEAD_LETTERS_DUE, "/stages/scheduler").header("content-type", "application/json").body("{}");
    assert!(due.send().await.unwrap().status().is_success());
    assert_eq!(count(&database, "moment").await, 1);
    assert_eq!(count(&database, "dead_letter where resolved_at is not null").await, 1);
    // What its rules make of it follows at once.
    eventually(PATIENCE, || async { count(&database, "alert_transition").await == 1 }).await;
    assert_eq!(stand.running.stats().services["transform"].starts, 0);
    stand.rest().await;
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_says_that_it_refused() {
    let Some(mut stand) = stand("none").await else { return };
    assert_eq!(stand.post("field", body("d", 20.0)).await, Some(202));
    stand.postgres.instance.kill().unwrap();
    assert_eq!(stand.post("field", body("d", 21.0)).await, Some(503));
    tokio::task::block_in_place(|| stand.postgres.instance.restart()).unwrap();
    let database = stand.database().await;
    let pid = i32::try_from(stand.running.pids("ingest")[0]).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    eventually(Duration::from_secs(20), || async { count(&database, "refusal").await == 1 }).await;
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_to_the_broker_is_recorded_and_found() {
    let Some(stand) = stand("broker").await else { return };
    let database = stand.database().await;
    assert_eq!(stand.post("field", body("d", 20.0)).await, Some(202));
    database.batch_execute("begin; lock table moment in access exclusive mode").await.unwrap();
    for n in 0..5 {
        assert_eq!(stand.post("field", body("d", f64::from(n))).await, Some(202));
    }
    database.batch_execute("commit").await.unwrap();
    stand.rest().await;
    // A commit of `ingest` says so.
    eventually(PATIENCE, || async {
        stand.post_until_taken("field", body("e", 20.0)).await;
        let of = "fallback";
        let fallen: i64 = database
            .query_one(&format!("select coalesce(sum(payloads), 0)::bigint from {of}"), &[])
            .await
            .unwrap()
            .get(0);
        if fallen >= 5 { Ok(()) } else { Err(fallen) }
    })
    .await;
    stand.rest().await;
    stand.down().await;
}

/// Of two processes, as on a cluster, each is sent every payload, both at the same time; and one of them is killed.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_are_sent_the_same_at_once_store_it_once() {
    let mut plan = Plan::new(TWICE);
    plan.mode = Mode::Direct;
    let Some(stand) = Stand::up(plan).await else { return };
    let role = stand.postgres.database().as_role(store::migrate::ROLES, "freshet_ingest").await;
    let environment = [
        ("DATABASE_URL", role.url()),
        ("FRESHET_PIPELINE", &stand.folder.path().join("freshet.yaml").display().to_string()),
        ("STAND_KEY", KEY),
        ("K_SINK", &stand.running.broker_url()),
        ("MODE", "direct"),
    ];
    let mut other = Process::spawn(&binaries().join("ingest"), &environment);
    other.listening().await;
    let database = stand.database().await;
    let (client, url) =
        (runtime::http_client(&runtime::ClientOptions::default()).unwrap(), other.url("/hooks/field"));
    let mut accepted = 0;
    for round in 0..20 {
        if round == 10 {
            other.kill();
        }
        let posts = (0..20).map(|n| {
            // Times of their own for one half; the others are known by their message alone.
            let device = format!("d-{}", n % 4);
            let time = if n % 2 == 0 {
                format!(r#""time": {}, "#, START_MS + round * 20 + n)
            } else {
                String::new()
            };
            let body =
                format!(r#"{{"id": "m-{round}-{n}", "device": "{device}", {time}"t": 21.5}}"#).into_bytes();
            let request =
                client.post(&url).header("content-type", "application/json").header("x-api-key", KEY);
            let sent = request.body(body.clone()).send();
            let own = stand.post("field", body);
            async move { tokio::join!(own, sent) }
        });
        for (own, sent) in futures_util::future::join_all(posts).await {
            assert_eq!(own, Some(202));
            assert_eq!(sent.is_ok_and(|answer| answer.status() == 202), round < 10);
            accepted += 1;
        }
    }
    assert_eq!(count(&database, "receipt where outcome = 'stored'").await, accepted);
    assert_eq!(count(&database, "receipt_key").await, accepted);
    assert_eq!(stand.running.stats().services["transform"].starts, 0, "none went another way");
    assert_eq!(count(&database, "dead_letter").await, 0);
    stand.down().await;
}

/// `alert` is told nothing of whom to prewarm.
fn alone(config: &mut knative_local::Config) {
    let alert = config.services.iter_mut().find(|service| service.name == "alert").unwrap();
    alert.env.remove("PREWARM_URLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_by_which_an_alert_fires_starts_notify_beside_alert() {
    let ops = testkit::TestReceiver::start().await;
    let mut plan = Plan::new(format!("{PIPELINE}{NOTIFIED}"));
    plan.mode = Mode::Direct;
    plan.adjust = alone;
    plan.environment = vec![("OPS_URL".to_owned(), ops.url("/alerts"))];
    let Some(stand) = Stand::up(plan).await else { return };
    let notify = || stand.running.stats().services["notify"];
    // Watched, and below the threshold.
    assert_eq!(stand.post("field", body("d", 20.0)).await, Some(202));
    eventually(PATIENCE, || async { stand.running.stats().services["alert"].requests > 0 }).await;
    assert_eq!(notify().starts, 0);
    assert_eq!(stand.post("field", body("d", 35.0)).await, Some(202));
    eventually(PATIENCE, || async { ops.received().len() == 1 }).await;
    assert_eq!((notify().starts, notify().woken), (1, 1));
    stand.rest().await;
    stand.down().await;
}
