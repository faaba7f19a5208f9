use testkit::eventually;

use crate::world::{PARTITIONS, PATIENCE, World};

#[tokio::test]
async fn it_is_noted_when_every_partition_was_caught_up_with_also_where_nothing_comes() {
    let Some(world) = World::build().await else { return };
    world.publish(0..100).await;
    let published = world.now().await;
    assert_eq!(world.count("topic_offset").await, 0, "nothing reads");
    let _worker = world.worker().await;
    let stored = format!("topic_offset where caught_up_at >= '{published}'");
    let partitions = i64::from(PARTITIONS);
    eventually(PATIENCE, || async { world.count(&stored).await == partitions }).await;
    assert_eq!(
        world.count("receipt").await,
        100,
        "no partition is caught up with before its payloads are rows"
    );
    let later = format!("topic_offset where caught_up_at > '{}'", world.now().await);
    eventually(PATIENCE, || async { world.count(&later).await == partitions }).await;
}
