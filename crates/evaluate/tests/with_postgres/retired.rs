//! A device that is out of service, and one that is back.

use crate::world::{World, at, pipeline};

const RULES: &str = "{Hot: {metric: temperature, above: 30}, Mild: {metric: temperature, above: 15, for: 1h},
                      Silent: {metric: temperature, absent: 10m}}";

#[tokio::test]
async fn alerts_of_a_retired_device_end_and_none_begins() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    let (hot, other) = (world.store("hot", 0, 50.0).await, world.store("other", 0, 50.0).await);
    world.readings(&alert, &[hot, other]).await;
    assert_eq!(world.count("alert_state where status = 'pending'").await, 2);
    world.at(60);
    world.retire("hot").await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.recorded().await[2..], ["resolved device_retired ops"]);
    assert_eq!(world.effective("hot").await, [("firing".to_owned(), 0), ("resolved".to_owned(), 60)]);
    let of_hot = format!("alert_state where stream_id = {hot}");
    assert_eq!((world.count(&of_hot).await, world.count("evaluation_request").await), (0, 0));

    // It sends nevertheless, and falls silent; the rules look at the other one as before.
    world.at(120);
    world.store("hot", 120, 60.0).await;
    world.readings(&alert, &[hot]).await;
    for second in (300..=4_200).step_by(300) {
        world.heartbeat(&alert, second).await;
    }
    assert_eq!(world.effective("hot").await.len(), 2);
    assert_eq!((world.count(&of_hot).await, world.count("evaluation_request").await), (0, 0));
    assert_eq!(world.recorded().await[3..], ["firing silence ops", "firing breach ops"]);
    let moments = format!("moment where stream_id = {hot}");
    assert_eq!(world.count(&moments).await, 2);
}

#[tokio::test]
async fn a_silence_is_over_once_its_device_is_retired() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.store("gone", 0, 10.0).await;
    for second in (0..=900).step_by(300) {
        world.heartbeat(&alert, second).await;
    }
    world.at(1_000);
    world.retire("gone").await;
    // It is retired again, later.
    world.at(1_100);
    world.retire("gone").await;
    for second in (1_200..=3_000).step_by(300) {
        world.heartbeat(&alert, second).await;
    }
    assert_eq!(world.recorded().await, ["firing silence ops", "resolved device_retired ops"]);
    assert_eq!(world.effective("gone").await[1], ("resolved".to_owned(), 1_200));
}

#[tokio::test]
async fn rules_see_a_device_that_is_back_from_what_it_has_sent_meanwhile_or_from_its_next_reading() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.store("sends", 0, 50.0).await;
    world.store("rests", 0, 50.0).await;
    world.readings(&alert, &[]).await;
    world.at(60);
    world.retire("sends").await;
    world.retire("rests").await;
    world.readings(&alert, &[]).await;
    let ended = world.count("alert_transition").await;
    world.at(3_000);
    world.store("sends", 2_000, 40.0).await;
    world.store("sends", 3_000, 45.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.count("alert_transition").await, ended);

    world.at(3_060);
    world.restore("sends").await;
    world.restore("rests").await;
    let from: Vec<jiff::Timestamp> = world
        .sql
        .query("select from_at from evaluation_request", &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(from, [at(3_000)]);
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("sends").await[2..], [("firing".to_owned(), 3_000)]);
    assert_eq!(world.effective("rests").await.len(), 2);
    world.at(3_120);
    world.store("rests", 3_120, 50.0).await;
    world.readings(&alert, &[]).await;
    assert_eq!(world.effective("rests").await[2..], [("firing".to_owned(), 3_120)]);
    // What was before stays as it is.
    assert_eq!(world.count("alert_transition where kind = 'retracted'").await, 0);
    world.heartbeat(&alert, 3_300).await;
    assert_eq!(world.count("alert_state").await, 6);
}

#[tokio::test]
async fn what_is_undone_before_it_was_seen_has_changed_nothing() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    world.store("hot", 0, 50.0).await;
    world.readings(&alert, &[]).await;
    let states = "select rule, status, checkpoint::text, rule_hash from alert_state order by rule";
    let before = rows(&world, states).await;
    world.at(60);
    world.retire("hot").await;
    world.restore("hot").await;
    assert_eq!(world.count("evaluation_request").await, 1);
    world.readings(&alert, &[]).await;
    assert_eq!(rows(&world, states).await, before);
    assert_eq!((world.count("alert_transition").await, world.count("evaluation_request").await), (1, 0));
}

#[tokio::test]
async fn a_stream_that_is_being_evaluated_while_its_device_is_retired_is_evaluated_again() {
    let Some(mut world) = World::new().await else { return };
    let alert = world.process(&pipeline(RULES)).await;
    let stream = world.store("hot", 0, 50.0).await;
    world.sql.execute("delete from evaluation_request", &[]).await.unwrap();
    // No rule has a state of it yet.
    world.retire("hot").await;
    assert_eq!(world.count(&format!("evaluation_request where stream_id = {stream}")).await, 1);
    world.readings(&alert, &[]).await;
    assert_eq!((world.count("alert_state").await, world.count("evaluation_request").await), (0, 0));
}

async fn rows(world: &World, sql: &str) -> Vec<[String; 4]> {
    let rows = world.sql.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| [0, 1, 2, 3].map(|at| row.get(at))).collect()
}
