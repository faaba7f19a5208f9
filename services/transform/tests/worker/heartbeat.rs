use event_model::cloudevent;
use event_model::event_types::TICK;
use testkit::{Process, eventually};

use crate::world::{PATIENCE, World};

/// Sends a tick; the status.
async fn tick(service: &Process) -> u16 {
    let event = cloudevent::new(TICK, "/apis/v1/namespaces/default/pingsources/tick", "1");
    let (headers, body) = cloudevent::to_binary(&event);
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let mut request = client.post(service.url("/"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn no_heartbeat_is_recorded_while_payloads_wait_for_a_worker() {
    let Some(world) = World::build().await else { return };
    let service = world.service().await;
    assert_eq!(tick(&service).await, 200);
    assert_eq!(world.count("heartbeat").await, 1, "nothing was ever published");

    world.publish(0..100).await;
    assert_eq!(tick(&service).await, 200);
    assert_eq!(world.count("heartbeat").await, 1, "nobody reads");

    let _worker = world.worker().await;
    world.committed(100).await;
    eventually(PATIENCE, || async {
        assert_eq!(tick(&service).await, 200);
        world.count("heartbeat").await == 2
    })
    .await;
}
