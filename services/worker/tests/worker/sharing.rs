use testkit::eventually;

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn partitions_move_between_workers_and_each_payload_is_stored_once() {
    let Some(world) = World::build().await else { return };
    let mut first = world.worker().await;
    world.publish(0..200).await;
    eventually(PATIENCE, || async { world.count("receipt").await > 0 }).await;
    let second = world.worker().await;
    // While the group moves partitions over.
    world.publish(200..600).await;
    eventually(PATIENCE, || async { (world.members() == (2, 2)).then_some(()).ok_or(world.members()) }).await;
    world.publish(600..800).await;
    first.kill();
    world.publish(800..1000).await;
    world.committed(1000).await;
    world.stored_once(0..1000).await;
    assert_eq!(world.members(), (1, 1));
    drop(second);
}
