//! A Broker of class Kafka, whose dead letter sink is a KafkaSink: tried by the Trigger's own schedule, and not for ever.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use knative_local::{Config, DeadLetterSink};
use pipeline_tests::farm::patient;
use pipeline_tests::outage::{Outage, TICK};
use pipeline_tests::stand::PATIENCE;
use testkit::eventually;
use topology::Mode;

/// Of the payloads.
const SEED: u64 = 11;

/// The hour of a payload's attempts takes seven seconds.
fn class_kafka(config: &mut Config) {
    patient(config);
    config.time_scale = 0.002;
    let triggers = config.triggers.iter_mut().filter(|trigger| trigger.dead_letter_sink.is_some());
    triggers.for_each(|trigger| trigger.dead_letter_sink = Some(DeadLetterSink::KafkaSink));
}

async fn open() -> Option<Outage> {
    let mut outage = Outage::open(Mode::Broker, SEED, class_kafka).await?;
    for _ in 0..2 {
        outage.pass(TICK).await;
        outage.farm.stand.rest().await;
        outage.post().await;
    }
    outage.farm.settles().await;
    Some(outage)
}

/// Has `dead-letter` send back what is due, past the Broker.
async fn send_back(outage: &Outage) {
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let stage = outage.farm.stand.running.service_url("dead-letter").unwrap();
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
async fn ends_well_within_a_tick(mut outage: Outage) {
    outage.farm.stand.rest().await;
    outage.pass(TICK).await;
    outage.farm.stand.rest().await;
    outage.farm.settles_by_itself().await;
    outage.nobody_was_silent().await;
    outage.farm.stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hours_without_a_database_lose_nothing() {
    let Some(mut outage) = open().await else { return };
    outage.database_goes();
    for tick in 0..24 {
        outage.pass(TICK).await;
        if tick % 6 == 0 {
            outage.post().await;
        }
    }
    // The first of them have used up their attempts, ticks theirs long before.
    eventually(PATIENCE, || async { outage.payloads().dead_lettered >= 16 }).await;
    let dropped = || outage.farm.stand.running.stats().triggers["scheduler-tick"].dropped;
    eventually(PATIENCE, || async { dropped() == 24 }).await;
    outage.post().await;

    outage.database_is_back();
    ends_well_within_a_tick(outage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_sink_that_is_away_loses_nothing_that_a_stage_can_record() {
    let Some(mut outage) = open().await else { return };
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
    eventually(PATIENCE, || async { outage.payloads().retried >= 4 * 10 }).await;
    outage.database_is_back();
    outage.farm.stand.rest().await;
    assert_eq!(outage.payloads().dead_lettered, 0);
    ends_well_within_a_tick(outage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgets_what_was_sent_back_is_sent_it_again() {
    let Some(mut outage) = open().await else { return };
    outage.database_goes();
    outage.pass(TICK).await;
    outage.post().await;
    eventually(PATIENCE, || async { outage.payloads().dead_lettered >= 4 }).await;
    outage.database_is_back();
    outage.farm.stand.rest().await;
    assert_eq!(outage.count("dead_letter where cause = 'unavailable' and not sent_back").await, 4);

    // `dead-letter` is woken by hand, for the Broker forgets hints too.
    outage.farm.stand.running.faults().forget(true);
    send_back(&outage).await;
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
    ends_well_within_a_tick(outage).await;
}
