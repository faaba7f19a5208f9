use crate::world::{PATIENCE, World};
use testkit::eventually;

#[tokio::test]
async fn a_kafka_that_was_killed_goes_on_where_it_was() {
    let Some(mut kafka) = testkit::own_kafka().await else { return };
    let Some(database) = testkit::postgres().await else { return };
    let world = World::on(&kafka.bootstrap(), "payloads", database).await;
    let _worker = world.worker().await;
    world.publish(0..100).await;
    eventually(PATIENCE, || async { world.count("receipt").await > 0 }).await;
    kafka.kill();
    let kafka = tokio::task::spawn_blocking(move || {
        kafka.start();
        kafka
    });
    let kafka = kafka.await.unwrap();
    world.publish(100..200).await;
    world.committed(200).await;
    world.stored_once(0..200).await;
    drop(kafka);
}

#[tokio::test]
async fn a_postgresql_that_is_away_is_waited_for_within_the_group() {
    let Some(kafka) = testkit::kafka().await else { return };
    let Some(mut postgres) = testkit::own_postgres().await else { return };
    let topic = kafka.unique("outage");
    let mut world = World::on(kafka.bootstrap(), &topic, postgres.database()).await;
    let worker = world.worker().await;
    world.publish(0..100).await;
    world.committed(100).await;
    let before = worker.pid();
    postgres.instance.kill().unwrap();
    // More than the room for batches holds, so that reading is paused.
    world.publish(100..600).await;
    eventually(PATIENCE, || async { (world.members() == (1, 1)).then_some(()).ok_or(world.members()) }).await;
    postgres.instance.restart().unwrap();
    world.client = postgres.database().connect().await;
    world.committed(600).await;
    world.stored_once(0..600).await;
    assert_eq!(worker.pid(), before);
}
