//! The traces of what is sent. A program of its own: it sets the process's subscriber.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::time::Duration;

use stage::Outcome;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use world::World;

#[tokio::test]
async fn a_repeat_is_a_trace_of_its_own() {
    tracing_subscriber::registry().with(runtime::trace::Carrying).init();
    let Some(world) = World::start().await else { return };
    let firing = world.transition("firing", 0, None).await;
    world.came_from(firing, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").await;
    world.queue(firing, "prometheus").await;
    for _ in 0..3 {
        assert_eq!(world.wake().await, Outcome::Done);
        world.clock.advance(Duration::from_secs(300));
    }
    let received = world.prometheus.received();
    let traces: Vec<_> =
        received.iter().map(|one| one.header("traceparent").unwrap()[3..35].to_owned()).collect();
    assert_eq!(traces[0], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(traces[1] != traces[0] && traces[2] != traces[0] && traces[1] != traces[2], "{traces:?}");
}
