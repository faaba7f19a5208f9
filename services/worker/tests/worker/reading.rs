use event_model::event_types::EVALUATION_REQUESTED;
use event_model::events::EvaluationRequested;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::{Process, eventually};

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn payloads_are_stored_once_with_their_place_and_their_evaluation_is_requested() {
    let Some(world) = World::build().await else { return };
    world.publish(0..300).await;
    let mut worker = world.worker().await;
    world.committed(300).await;
    world.stored_once(0..300).await;
    let place = "receipt where record_topic is not null and record_offset is not null";
    assert_eq!(world.count(place).await, 300);
    assert_eq!(world.count("evaluation_request").await, 10, "each device's stream is watched");
    let told = world.broker.received();
    assert!(told.len() < 100, "{} events for 300 payloads", told.len());
    let streams: std::collections::BTreeSet<i32> = told
        .iter()
        .flat_map(|event| {
            assert_eq!(event.header("ce-type"), Some(EVALUATION_REQUESTED));
            assert!(event.header("ce-partitionkey").is_some());
            serde_json::from_slice::<EvaluationRequested>(&event.body).unwrap().streams
        })
        .collect();
    assert_eq!(streams.len(), 10);

    // A producer that was not answered sends again.
    world.publish(0..300).await;
    world.committed(600).await;
    world.stored_once(0..300).await;
    leaves_in_order(&world, &mut worker).await;
}

/// SIGTERM: the group is left at once, not when the session runs out.
pub(crate) async fn leaves_in_order(world: &World, worker: &mut Process) {
    kill(Pid::from_raw(worker.pid().cast_signed()), Signal::SIGTERM).unwrap();
    let mut ended = None;
    eventually(PATIENCE, || {
        ended = worker.ended();
        std::future::ready(ended.is_some())
    })
    .await;
    assert!(ended.unwrap().success());
    assert_eq!(world.members(), (0, 0));
}

#[tokio::test]
async fn a_worker_killed_between_commit_and_offset_doubles_nothing() {
    let Some(world) = World::build().await else { return };
    for point in ["before-write", "after-commit"] {
        world.crash_at(point);
        let mut worker = world.worker().await;
        world.publish(0..100).await;
        // Named points exist where the tests are built with `--features stage/simulation`, as `make test` does.
        eventually(PATIENCE, || std::future::ready(worker.ended().ok_or("no crash at the named point")))
            .await;
        let stored = world.count("receipt").await;
        assert!(if point == "before-write" { stored == 0 } else { stored > 0 }, "{point}: {stored}");
    }
    let _worker = world.worker().await;
    world.committed(200).await;
    world.stored_once(0..100).await;
}
