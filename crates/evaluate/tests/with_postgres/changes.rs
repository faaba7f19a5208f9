//! A pipeline file that changes.

use std::time::Duration;

use evaluate::{Scope, Summary};
use runtime::Deadline;
use store::Transaction;
use store::alerts::{SHARD_LOCK, shard_of, states_of_other_rules};

use crate::world::{World, pipeline};

fn above(threshold: u32) -> String {
    pipeline(&format!("{{Hot: {{metric: temperature, above: {threshold}}}}}"))
}

#[tokio::test]
async fn a_changed_rule_resolves_what_no_longer_fires_and_records_nothing_of_what_still_does() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&above(30)).await;
    let streams = [world.store("mild", 0, 32.0).await, world.store("hot", 0, 50.0).await];
    world.readings(&alert, &streams).await;
    let changed = world.process(&above(40)).await;
    world.heartbeat(&changed, 300).await;
    let names = |device: &'static str| world.effective(device);
    assert_eq!(names("hot").await.len(), 1);
    assert_eq!(names("mild").await.last().unwrap().0, "resolved");
    assert_eq!(world.recorded().await[2..], ["resolved rule_changed ops"]);
    world.heartbeat(&changed, 600).await;
    world.store("hot", 400, 20.0).await;
    world.readings(&changed, &streams).await;
    assert_eq!(world.recorded().await[3..], ["resolved cleared ops"]);
}

#[tokio::test]
async fn the_alerts_of_a_removed_rule_are_resolved_and_stay_so_when_it_comes_back() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&above(30)).await;
    let stream = world.store("hot", 0, 50.0).await;
    world.readings(&alert, &[stream]).await;
    let without = world.process(&pipeline("{Cold: {metric: temperature, below: 0}}")).await;
    world.heartbeat(&without, 300).await;
    assert_eq!(world.recorded().await, ["firing breach ops", "resolved rule_removed ops"]);
    assert_eq!(world.count("alert_state").await, 0);
    let back = world.process(&above(30)).await;
    world.store("hot", 400, 50.0).await;
    world.readings(&back, &[stream]).await;
    assert_eq!(world.recorded().await[2..], ["firing breach ops"]);
    assert_eq!(world.count("alert_transition where kind = 'retracted'").await, 0);
}

#[tokio::test]
async fn a_process_whose_file_is_not_the_active_one_leaves_requests_alone() {
    let Some(mut world) = World::new().await else { return };
    let older = world.process_of(&above(30));
    let newer = world.process(&above(40)).await;
    let stream = world.store("hot", 0, 50.0).await;
    assert_eq!(world.readings(&older, &[stream]).await, Summary::default());
    assert_eq!((world.count("evaluation_request").await, world.count("alert_transition").await), (1, 0));
    world.heartbeat(&newer, 300).await;
    assert_eq!((world.count("evaluation_request").await, world.count("alert_transition").await), (0, 1));
}

#[tokio::test]
async fn a_rule_that_no_longer_selects_a_device_resolves_its_alert() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&above(30)).await;
    let stream = world.store("hot", 0, 50.0).await;
    world.readings(&alert, &[stream]).await;
    let narrower = "{Hot: {metric: temperature, above: 30, select: {device: 'gh-*'}}}";
    let narrower = world.process(&pipeline(narrower)).await;
    world.heartbeat(&narrower, 300).await;
    assert_eq!(world.recorded().await[1..], ["resolved rule_removed ops"]);
}

#[tokio::test]
async fn an_alert_ends_when_its_metric_comes_in_another_unit() {
    let Some(mut world) = World::new().await else { return };
    let rules = "{Hot: {metric: temperature, above: 30}, Silent: {metric: temperature, absent: 10m}}";
    let alert = world.process(&pipeline(rules)).await;
    let stream = world.store("tank", 0, 50.0).await;
    world.readings(&alert, &[stream]).await;
    world.store_other("tank", 60, 3.0, "number").await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.recorded().await, ["firing breach ops", "resolved series_changed ops"]);
    assert_eq!(world.effective("tank").await, [("firing".to_owned(), 0), ("resolved".to_owned(), 60)]);
    // What it measures is reported: its old series is not told to be silent.
    for second in (300..=1_500).step_by(300) {
        world.heartbeat(&alert, second).await;
        world.store_other("tank", second, 3.0, "number").await;
        world.readings(&alert, &[stream]).await;
    }
    assert_eq!(world.recorded().await.len(), 2);
    // The other unit has alerts of its own, and the old one fires again when it comes back.
    world.store_other("tank", 1_600, 40.0, "number").await;
    world.readings(&alert, &[stream]).await;
    world.store("tank", 1_700, 50.0).await;
    world.readings(&alert, &[stream]).await;
    assert_eq!(world.recorded().await[2..], ["firing breach ops", "firing breach ops"]);
}

#[tokio::test]
async fn two_sensors_of_one_metric_that_take_turns_keep_their_alerts() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline("{Hot: {metric: temperature, above: 30}}")).await;
    let stream = world.store("tank", 0, 20.0).await;
    world.store_other("tank", 10, 3.0, "number").await;
    world.readings(&alert, &[stream]).await;
    for hour in 1..6 {
        world.at(3_600 * hour + 1_800);
        world.store("tank", 3_600 * hour, 50.0).await;
        world.readings(&alert, &[stream]).await;
        world.store_other("tank", 3_600 * hour + 1_800, 3.0, "number").await;
        world.readings(&alert, &[stream]).await;
    }
    assert_eq!(world.recorded().await, ["firing breach ops"]);
    // After two days of the other alone it is over.
    for hour in [20, 40, 60] {
        world.at(3_600 * hour);
        world.store_other("tank", 3_600 * hour, 3.0, "number").await;
        world.readings(&alert, &[stream]).await;
    }
    assert_eq!(world.recorded().await[1..], ["resolved series_changed ops"]);
}

#[tokio::test]
async fn a_number_that_became_a_text_ends_its_alert_in_two_days() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline("{Hot: {metric: temperature, above: 30}}")).await;
    let stream = world.store("tank", 0, 50.0).await;
    world.readings(&alert, &[stream]).await;
    for hour in [1, 30, 49] {
        world.at(3_600 * hour);
        world.store_other("tank", 3_600 * hour, 0.0, "text").await;
        world.readings(&alert, &[stream]).await;
    }
    assert_eq!(world.recorded().await, ["firing breach ops", "resolved series_changed ops"]);
}

#[tokio::test]
async fn a_walk_over_the_fleet_comes_after_what_waits_and_counts_what_is_left() {
    let Some(mut world) = World::new().await else { return };
    let before = world.process(&above(30)).await;
    for device in 0..200 {
        world.store(&format!("gh-{device}"), 0, 20.0).await;
    }
    world.readings(&before, &[]).await;
    let after = world.process(&above(25)).await;
    let waiting = world.store("gh-150", 60, 26.0).await;
    let scope = Scope { other_rules: true };
    let summary = after.run(scope, Deadline::within(Duration::ZERO)).await.unwrap();
    assert_eq!((summary.streams, summary.more), (1, true));
    assert_eq!(world.effective("gh-150").await, [("firing".to_owned(), 60)]);
    let changed = format!(
        "alert_state where rule_hash <> (select rule_hash from alert_state where stream_id = {waiting})"
    );
    assert_eq!(world.count(&changed).await, 199);

    let mut client = after.database.client().await.unwrap();
    let transaction = Transaction::begin(&mut client).await.unwrap();
    let rules = &after.pipeline.rules;
    let (names, hashes): (Vec<_>, Vec<_>) = rules.iter().map(|rule| (rule.name.clone(), rule.hash())).unzip();
    for (most, expected) in [(1000, 199), (100, 100)] {
        let left = states_of_other_rules(&transaction, (&names, &hashes), most).await.unwrap();
        assert_eq!(left, expected);
    }
    drop(transaction);
    assert_eq!(after.run(scope, Deadline::within(Duration::from_secs(20))).await.unwrap().streams, 199);
    assert_eq!(world.count(&changed).await, 0);
}

#[tokio::test]
async fn what_a_walk_has_left_to_another_process_is_walked_over_by_the_next_run() {
    let Some(mut world) = World::new().await else { return };
    let before = world.process(&above(30)).await;
    let taken = world.store("taken", 0, 26.0).await;
    world.store("free", 0, 26.0).await;
    world.readings(&before, &[]).await;
    let after = world.process(&above(25)).await;
    let mut other = world.other_connection().await;
    let transaction = other.transaction().await.unwrap();
    let lock = "select pg_advisory_xact_lock($1, $2)";
    transaction.query(lock, &[&SHARD_LOCK, &shard_of(taken)]).await.unwrap();
    let run = || after.run(Scope { other_rules: true }, Deadline::within(Duration::from_secs(20)));
    let summary = run().await.unwrap();
    assert_eq!((summary.streams, summary.more), (1, true));
    transaction.rollback().await.unwrap();
    let summary = run().await.unwrap();
    assert_eq!((summary.streams, summary.more), (1, false));
    assert_eq!(world.effective("taken").await, [("firing".to_owned(), 0)]);
}
