//! Outages that are longer than every retry: what was accepted is stored afterwards, and nobody does anything for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use knative_local::Config;
use pipeline_tests::farm::{Farm, patient};
use pipeline_tests::random::Random;
use pipeline_tests::stand::PATIENCE;
use pipeline_tests::traffic::payloads;
use testkit::eventually;

const START: &str = "2026-03-01T00:00:00Z";
const TICK: SignedDuration = SignedDuration::from_mins(5);
const DEVICES: u64 = 3;

/// The tick comes by itself.
fn ticks(config: &mut Config) {
    patient(config);
    for timer in config.timers.iter_mut().filter(|timer| timer.name == "tick") {
        timer.every = Some(Duration::from_millis(500));
    }
}

struct Outage {
    farm: Farm,
    random: Random,
    now: Timestamp,
}

impl Outage {
    async fn open() -> Option<Self> {
        let now: Timestamp = START.parse().unwrap();
        Some(Self { farm: Farm::open(1, Some(now), ticks).await?, random: Random::new(7), now })
    }

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

    async fn live(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.pass(TICK).await;
            self.farm.stand.rest().await;
            self.post().await;
        }
        self.farm.settles_by_itself().await;
    }

    fn dead_lettered(&self) -> u64 {
        self.farm.stand.running.stats().triggers["transform-payloads"].dead_lettered
    }

    fn retried(&self) -> u64 {
        self.farm.stand.running.stats().triggers["transform-payloads"].retried
    }

    /// No database, until every payload of that time has gone through its whole retry schedule.
    async fn without_a_database(&mut self, ticks: u64) {
        self.farm.stand.postgres.instance.kill().unwrap();
        let wanted = self.dead_lettered() + 4 * ticks;
        for _ in 0..ticks {
            self.pass(4 * TICK).await;
            self.post().await;
        }
        eventually(PATIENCE, || async { self.dead_lettered() >= wanted }).await;
    }

    fn database_is_back(&mut self) {
        let server = &mut self.farm.stand.postgres.instance;
        tokio::task::block_in_place(|| server.restart()).unwrap();
    }

    async fn nobody_was_silent(&self) {
        let database = self.farm.stand.database().await;
        let sql = "select count(*) from alert_transition where rule = 'Silent'";
        let count: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "somebody was reported silent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_away_for_longer_than_every_retry_loses_nothing_and_silences_nobody() {
    let Some(mut outage) = Outage::open().await else { return };
    outage.live(3).await;
    outage.without_a_database(4).await;
    outage.database_is_back();
    outage.farm.settles_by_itself().await;
    outage.live(2).await;
    outage.nobody_was_silent().await;

    outage.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_sink_that_is_down_as_well_holds_everything_back() {
    let Some(mut outage) = Outage::open().await else { return };
    outage.live(1).await;
    let before = outage.dead_lettered();
    outage.farm.stand.running.faults().dead_letter_sink_down(true);
    outage.farm.stand.postgres.instance.kill().unwrap();
    let before_retries = outage.retried();
    outage.pass(TICK).await;
    outage.post().await;
    // Every retry of each, and then nowhere to go.
    eventually(PATIENCE, || async {
        outage.retried() >= before_retries + 4 * u64::from(topology::Delivery::PAYLOADS.retry)
    })
    .await;
    outage.farm.stand.running.faults().crash();
    assert_eq!(outage.dead_lettered(), before);

    outage.database_is_back();
    outage.farm.stand.running.faults().dead_letter_sink_down(false);
    outage.farm.settles_by_itself().await;
    outage.nobody_was_silent().await;
    outage.farm.stand.down().await;
}
