//! A Broker of class Kafka, whose dead letter sink is a KafkaSink: tried by the Trigger's own schedule, and not for ever.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use knative_local::{Config, DeadLetterSink};
use pipeline_tests::farm::{Farm, patient};
use pipeline_tests::random::Random;
use pipeline_tests::stand::PATIENCE;
use pipeline_tests::traffic::payloads;
use testkit::eventually;

const START: &str = "2026-03-01T00:00:00Z";
const TICK: SignedDuration = SignedDuration::from_mins(5);
const DEVICES: u64 = 3;
const PAYLOADS: &str = "transform-payloads";

/// The hour of a payload's attempts takes seven seconds.
fn class_kafka(config: &mut Config) {
    patient(config);
    config.time_scale = 0.002;
    let triggers = config.triggers.iter_mut().filter(|trigger| trigger.dead_letter_sink.is_some());
    triggers.for_each(|trigger| trigger.dead_letter_sink = Some(DeadLetterSink::KafkaSink));
}

struct Outage {
    farm: Farm,
    random: Random,
    now: Timestamp,
}

impl Outage {
    async fn open() -> Option<Self> {
        let now: Timestamp = START.parse().unwrap();
        let mut outage =
            Self { farm: Farm::open(1, Some(now), class_kafka).await?, random: Random::new(11), now };
        for _ in 0..2 {
            outage.pass(TICK).await;
            outage.farm.stand.rest().await;
            outage.post().await;
        }
        outage.farm.settles().await;
        Some(outage)
    }

    /// Some time later there is a tick.
    async fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
        self.farm.stand.set_clock(self.now);
        self.farm.stand.running.tick("tick").await.unwrap();
    }

    /// Four payloads of the last minute, all of which must be accepted.
    async fn post(&mut self) {
        let before = self.farm.accepted();
        let from = self.now.as_microsecond() - 60_000_000;
        self.farm.post(payloads(&mut self.random, 4, DEVICES, from)).await;
        assert_eq!(self.farm.accepted(), before + 4);
    }

    fn database_goes(&mut self) {
        self.farm.stand.postgres.instance.kill().unwrap();
    }

    fn database_is_back(&mut self) {
        let server = &mut self.farm.stand.postgres.instance;
        tokio::task::block_in_place(|| server.restart()).unwrap();
    }

    async fn count(&self, of: &str) -> i64 {
        let sql = format!("select count(*) from {of}");
        self.farm.stand.database().await.query_one(&sql, &[]).await.unwrap().get(0)
    }

    /// Has `dead-letter` send back what is due, past the Broker.
    async fn send_back(&self) {
        let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
        let stage = self.farm.stand.running.service_url("dead-letter").unwrap();
        let request = client
            .post(format!("{stage}/"))
            .header("ce-specversion", "1.0")
            .header("ce-type", "dev.freshet.dead-letters.due.v1")
            .header("ce-source", "/test")
            .header("ce-id", "due")
            .header("content-type", "application/json")
            .body("{}");
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// What is queued now is done with, and one tick later everything holds: nothing is lost or doubled, and no device was
    /// reported silent.
    async fn ends_well_within_a_tick(mut self) {
        self.farm.stand.rest().await;
        self.pass(TICK).await;
        self.farm.stand.rest().await;
        self.farm.settles_by_itself().await;
        assert_eq!(self.count("alert_transition where rule = 'Silent'").await, 0);
        self.farm.stand.down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hours_without_a_database_lose_nothing() {
    let Some(mut outage) = Outage::open().await else { return };
    outage.database_goes();
    for tick in 0..24 {
        outage.pass(TICK).await;
        if tick % 6 == 0 {
            outage.post().await;
        }
    }
    // The first of them have used up their attempts, ticks theirs long before.
    let stats = || outage.farm.stand.running.stats();
    eventually(PATIENCE, || async { stats().triggers[PAYLOADS].dead_lettered >= 16 }).await;
    eventually(PATIENCE, || async { stats().triggers["scheduler-tick"].dropped == 24 }).await;
    outage.post().await;

    outage.database_is_back();
    outage.ends_well_within_a_tick().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_sink_that_is_away_loses_nothing_that_a_stage_can_record() {
    let Some(mut outage) = Outage::open().await else { return };
    outage.farm.stand.running.faults().dead_letter_sink_down(true);
    // What `transform` refuses as a whole it records by itself.
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    for id in ["1", "2", "3"] {
        let request = client
            .post(outage.farm.stand.running.broker_url())
            .header("ce-specversion", "1.0")
            .header("ce-type", "dev.freshet.payload.received.v1")
            .header("ce-source", "/sources/elsewhere")
            .header("ce-id", id)
            .body("no request");
        assert_eq!(request.send().await.unwrap().status().as_u16(), 202);
    }
    outage.farm.stand.rest().await;
    assert_eq!(outage.count("dead_letter where event_id in ('1', '2', '3')").await, 3);

    // What needs the database waits for it in its own queue.
    outage.database_goes();
    outage.pass(TICK).await;
    outage.post().await;
    let retried = || outage.farm.stand.running.stats().triggers[PAYLOADS].retried;
    eventually(PATIENCE, || async { retried() >= 4 * 10 }).await;
    outage.database_is_back();
    outage.farm.stand.rest().await;
    assert_eq!(outage.farm.stand.running.stats().triggers[PAYLOADS].dead_lettered, 0);
    outage.ends_well_within_a_tick().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgets_what_was_sent_back_is_sent_it_again() {
    let Some(mut outage) = Outage::open().await else { return };
    outage.database_goes();
    outage.pass(TICK).await;
    outage.post().await;
    eventually(PATIENCE, || async {
        outage.farm.stand.running.stats().triggers[PAYLOADS].dead_lettered >= 4
    })
    .await;
    outage.database_is_back();
    outage.farm.stand.rest().await;
    assert_eq!(outage.count("dead_letter where cause = 'unavailable' and not sent_back").await, 4);

    // `dead-letter` is woken by hand, for the Broker forgets hints too.
    outage.farm.stand.running.faults().forget(true);
    outage.send_back().await;
    outage.farm.stand.running.faults().forget(false);
    assert_eq!(outage.count("dead_letter where sent_back and resolved_at is null").await, 4);
    for _ in 0..11 {
        outage.pass(TICK).await;
        outage.farm.stand.rest().await;
        outage.post().await;
    }
    assert_eq!(outage.count("dead_letter where sent_back and resolved_at is null").await, 4);
    outage.pass(TICK).await;
    outage.farm.stand.rest().await;
    assert_eq!(outage.count("dead_letter where resolved_at is not null").await, 4);
    outage.ends_well_within_a_tick().await;
}
