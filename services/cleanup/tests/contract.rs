//! What the stage answers, over a real database and a sink on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cleanup::NAME;
use cloudevents::{AttributesWriter as _, Event};
use event_model::cloudevent;
use event_model::event_types::{JOBS_DUE, TICK};
use job_stage::JobStage;
use jobs::{Cleanup, Runner};
use pipeline_config::Pipeline;
use runtime::{ClientOptions, Clock};
use sink::{HttpSink, Overrides};
use stage::{Delivery, Outcome, Stage as _};
use store::migrate::ROLES;
use store::{Database, DatabaseSettings};
use testkit::TestReceiver;

struct World {
    broker: TestReceiver,
    client: tokio_postgres::Client,
    stage: JobStage<Cleanup>,
    clock: Clock,
}

impl World {
    /// A slot is open. `None` where PostgreSQL is not installed.
    async fn start() -> Option<Self> {
        let place = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(place.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let broker = TestReceiver::start().await;
        let clock = Clock::manual("2026-11-30T03:12:00Z".parse().unwrap());
        let url = broker.url("/freshet/default").parse().unwrap();
        let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
        // As on a cluster.
        let role = place.as_role(ROLES, "freshet_cleanup").await;
        let of_role = DatabaseSettings::from_url(role.url()).unwrap();
        let database = Database::new(&of_role.pool_size(1));
        let pipeline = Pipeline::parse("sources: {s: {format: json}}", "freshet.yaml").unwrap();
        let job = Cleanup::new(pipeline);
        let runner = Runner { name: NAME, job, database, clock: clock.clone() };
        let client = place.connect().await;
        let rows = "
            insert into job (name, schedule, zone, known_since) values ('cleanup', '10 3 * * *', 'UTC', '2026-11-01Z');
            insert into job_slot (job, slot) values ('cleanup', '2026-11-30 03:10Z');
            insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
            values ('s', 'old', now(), '2026-11-01Z', gen_random_uuid(), 'stored'),
                   ('s', 'new', now(), '2026-11-29Z', gen_random_uuid(), 'stored')";
        client.batch_execute(rows).await.unwrap();
        Some(Self { broker, client, stage: JobStage::new(runner, sink), clock })
    }

    async fn handle(&self, event: Event, budget: Duration) -> Outcome {
        self.stage.handle(event, Delivery::at(self.clock.now()).within(budget)).await
    }

    async fn keys(&self) -> i64 {
        self.client.query_one("select count(*) from receipt_key", &[]).await.unwrap().get(0)
    }
}

fn due(subject: &str) -> Event {
    let mut event = cloudevent::new(JOBS_DUE, "/stages/scheduler", "1");
    event.set_subject(Some(subject));
    event
}

#[tokio::test]
async fn an_open_slot_is_worked_on_to_its_end_and_the_event_may_come_again() {
    let Some(world) = World::start().await else { return };
    for _ in 0..2 {
        assert_eq!(world.handle(due(NAME), Duration::from_secs(55)).await, Outcome::Done);
        assert_eq!(world.keys().await, 1);
    }
    assert_eq!(world.broker.received().len(), 0);
}

#[tokio::test]
async fn what_is_not_done_in_time_asks_for_another_event() {
    let Some(world) = World::start().await else { return };
    // Each event has time for one slice: the plan, a slice a step, and the end.
    for asked in 1..=4 {
        assert_eq!(world.handle(due(NAME), Duration::ZERO).await, Outcome::Done);
        let received = world.broker.received();
        assert_eq!(received.len(), asked);
        let event = received.last().unwrap();
        assert_eq!((event.header("ce-type"), event.header("ce-subject")), (Some(JOBS_DUE), Some(NAME)));
    }
    assert_eq!(world.handle(due(NAME), Duration::from_secs(55)).await, Outcome::Done);
    assert_eq!((world.broker.received().len(), world.keys().await), (4, 1));
}

#[tokio::test]
async fn what_is_for_others_is_left_alone() {
    let Some(world) = World::start().await else { return };
    for event in [due("report"), cloudevent::new(TICK, "/timers", "1")] {
        assert_eq!(world.handle(event, Duration::from_secs(55)).await, Outcome::Skip);
    }
    assert_eq!(world.keys().await, 2);
}
