//! Outages that are longer than every retry: what was accepted is stored afterwards, and nobody does anything for it.

use std::time::Duration;

use knative_local::Config;
use pipeline_tests::farm::patient;
use pipeline_tests::outage::{Outage, TICK};
use pipeline_tests::stand::PATIENCE;
use testkit::eventually;
use topology::Mode;

/// Of the payloads.
const SEED: u64 = 7;

/// The tick comes by itself.
fn ticks(config: &mut Config) {
    patient(config);
    for timer in config.timers.iter_mut().filter(|timer| timer.name == "tick") {
        timer.every = Some(Duration::from_millis(500));
    }
}

async fn live(outage: &mut Outage, ticks: usize) {
    for _ in 0..ticks {
        outage.pass(TICK).await;
        outage.farm.stand.rest().await;
        outage.post().await;
    }
    outage.farm.settles_by_itself().await;
}

/// No database, until every payload of that time has gone through its whole retry schedule.
async fn without_a_database(outage: &mut Outage, ticks: u64) {
    outage.database_goes();
    let wanted = outage.payloads().dead_lettered + 4 * ticks;
    for _ in 0..ticks {
        outage.pass(4 * TICK).await;
        outage.post().await;
    }
    eventually(PATIENCE, || async { outage.payloads().dead_lettered >= wanted }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_away_for_longer_than_every_retry_loses_nothing_and_silences_nobody() {
    a_long_outage(Mode::Broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_in_direct_mode() {
    a_long_outage(Mode::Direct).await;
}

async fn a_long_outage(mode: Mode) {
    let Some(mut outage) = Outage::open(mode, SEED, ticks).await else { return };
    live(&mut outage, 3).await;
    without_a_database(&mut outage, 4).await;
    outage.database_is_back();
    outage.farm.settles_by_itself().await;
    live(&mut outage, 2).await;
    outage.nobody_was_silent().await;

    outage.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_sink_that_is_down_as_well_holds_everything_back() {
    let Some(mut outage) = Outage::open(Mode::Broker, SEED, ticks).await else { return };
    live(&mut outage, 1).await;
    let before = outage.payloads().dead_lettered;
    outage.farm.stand.running.faults().dead_letter_sink_down(true);
    outage.database_goes();
    let before_retries = outage.payloads().retried;
    outage.pass(TICK).await;
    outage.post().await;
    // Every retry of each, and then nowhere to go.
    eventually(PATIENCE, || async {
        outage.payloads().retried >= before_retries + 4 * u64::from(topology::Delivery::PAYLOADS.retry)
    })
    .await;
    outage.farm.stand.running.faults().crash();
    assert_eq!(outage.payloads().dead_lettered, before);

    outage.database_is_back();
    outage.farm.stand.running.faults().dead_letter_sink_down(false);
    outage.farm.settles_by_itself().await;
    outage.nobody_was_silent().await;
    outage.farm.stand.down().await;
}
