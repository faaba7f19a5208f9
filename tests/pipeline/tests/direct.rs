//! Direct mode: what is answered is committed, or safe in a Broker that keeps it; and who is refused is told so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _};
use pipeline_tests::stand::{PATIENCE, Plan, Stand};
use testkit::eventually;
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
const START: &str = "2026-03-01T00:00:00Z";

async fn stand(fallback: &str) -> Option<Stand> {
    let mut plan = Plan::new(PIPELINE);
    plan.mode = Mode::Direct;
    plan.clock = Some(START.parse().unwrap());
    plan.environment = vec![
        ("FALLBACK".to_owned(), fallback.to_owned()),
        ("COMMIT_TIMEOUT_MS".to_owned(), "500".to_owned()),
        ("DATABASE_ACQUIRE_TIMEOUT_MS".to_owned(), "400".to_owned()),
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
    assert_eq!(count(&database, "receipt where outcome = 'rejected' and request is not null").await, 1);
    // Of what makes sense this source keeps no request.
    assert_eq!(stand.post("mapped", br#"{"device": "d", "t": 21.5}"#.to_vec()).await, Some(202));
    assert_eq!(count(&database, "receipt where outcome = 'stored' and request is null").await, 1);
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
