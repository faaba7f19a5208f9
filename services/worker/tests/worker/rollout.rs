use event_model::cloudevent;
use testkit::eventually;

use crate::reading::leaves_in_order;
use crate::world::{PATIENCE, World, payload_of};

#[tokio::test]
async fn a_source_that_only_the_file_in_force_knows_waits_for_a_worker_that_has_it() {
    let Some(world) = World::build().await else { return };
    let mut old = world.worker().await;
    world.publish(0..10).await;
    world.committed(10).await;
    let in_force = world.add_newcomer();
    let sql = "insert into active_pipeline (hash, activated_at) values ($1, now())";
    world.client.execute(sql, &[&in_force]).await.unwrap();

    // The old worker is seen to look.
    let mut locker = world.connect().await;
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table active_pipeline").await.unwrap();
    let body = r#"{"device": "new", "time": 1767225600, "temperature": 21.5}"#;
    world.send(cloudevent::to_kafka(&payload_of("newcomer", "new", body))).await;
    let looks = "pg_locks where relation = 'active_pipeline'::regclass and not granted";
    eventually(PATIENCE, || async { world.count(looks).await > 0 }).await;
    lock.rollback().await.unwrap();
    leaves_in_order(&world, &mut old).await;
    assert_eq!(world.count("receipt").await, 10);

    let _new = world.worker().await;
    world.committed(11).await;
    assert_eq!(world.count("receipt where source = 'newcomer'").await, 1);
    assert_eq!(world.count("dead_letter").await, 0);
    assert_eq!(world.count("(select distinct pipeline from receipt) one").await, 2);
}
