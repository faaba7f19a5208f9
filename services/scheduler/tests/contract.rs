//! What a tick comes to, over a real database and a sink on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use event_model::cloudevent;
use event_model::event_types::{PAYLOAD_RECEIVED, TICK};
use jiff::{Timestamp, ToSpan as _};
use pipeline_config::Pipeline;
use runtime::{ClientOptions, Clock};
use scheduler::{Config, Queues, Scheduler};
use sink::{HttpSink, Overrides};
use stage::{Delivery, Outcome, Stage as _};
use store::migrate::ROLES;
use store::{Database, DatabaseSettings, active_pipeline};
use testkit::TestReceiver;

const PIPELINE: &str = "
sources:
  greenhouse: {format: json, credentials: [{bearer: {env: TOKEN}}]}
  gate: {format: json, credentials: [{bearer: {env: TOKEN}}], unknown: hold}
rules:
  Hot: {metric: temperature, above: 30}
";

struct World {
    broker: TestReceiver,
    client: tokio_postgres::Client,
    settings: DatabaseSettings,
    stage: Scheduler,
    clock: Clock,
}

fn stage(settings: &DatabaseSettings, broker: &TestReceiver, clock: &Clock) -> Scheduler {
    let url = broker.url("/freshet/default").parse().unwrap();
    let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
    let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
    let config = Config::new(&pipeline, Queues::Unknown, sink);
    Scheduler::new(config, Database::new(settings), clock.clone())
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn start() -> Option<Self> {
        let place = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(place.url()).unwrap();
        store::migrate(&settings).await.unwrap();
        let broker = TestReceiver::start().await;
        let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
        let role = place.as_role(ROLES, "freshet_scheduler").await;
        let stage = stage(&DatabaseSettings::from_url(role.url()).unwrap(), &broker, &clock);
        Some(Self { broker, client: place.connect().await, settings, stage, clock })
    }

    /// A tick five minutes after the last; the types of the events that it led to.
    async fn tick(&self) -> Vec<String> {
        self.clock.advance(Duration::from_secs(300));
        let before = self.broker.received().len();
        assert_eq!(tick(&self.stage, &self.clock).await, Outcome::Done);
        let received = self.broker.received();
        let types = received[before..].iter().map(|request| request.header("ce-type").unwrap().to_owned());
        types.collect()
    }

    async fn execute(&self, sql: &str) {
        self.client.batch_execute(&sql.replace("NOW", &format!("'{}'", self.clock.now()))).await.unwrap();
    }

    async fn heartbeats(&self) -> Vec<Timestamp> {
        let rows = self.client.query("select at from heartbeat order by at", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

async fn tick(stage: &Scheduler, clock: &Clock) -> Outcome {
    let tick = cloudevent::new(TICK, "/apis/v1/namespaces/freshet/pingsources/tick", "t");
    stage.handle(tick, Delivery::at(clock.now())).await
}

#[tokio::test]
async fn a_tick_with_nothing_due_records_a_heartbeat_and_wakes_nothing() {
    let Some(world) = World::start().await else { return };
    assert_eq!(world.tick().await, Vec::<String>::new());
    assert_eq!(world.tick().await, Vec::<String>::new());
    assert_eq!(world.heartbeats().await, [world.clock.now() - 5.minutes(), world.clock.now()]);
}

#[tokio::test]
async fn each_stage_is_woken_by_what_it_has_to_do() {
    let Some(world) = World::start().await else { return };
    let state =
        "insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status,
                                          deadline_at, updated_at)";
    let transition =
        "insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, cause, severity,
                                                    labels, annotations, recorded_at)
                      values ('Hot', 'h', 1, 0, 'firing', NOW, 'breach', 'info', '{}', '{}', NOW)";
    let notification = "insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at,
                                                  give_up_at, created_at)
                        select gen_random_uuid(), id, 'ops', 'k', 'pending', NOW, NOW, NOW from alert_transition";
    let dead_letter = "insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at,
                                           last_at)
                  values (gen_random_uuid(), '/s', 'e', 'com.example.other', 'transform', 'unavailable', '', '{}', NOW, NOW)";
    // The device is known, or nobody has adopted it for long.
    let held = |device: &str, at: &str| {
        let id = "00000000-0000-0000-0000-000000000001";
        format!(
            "insert into device_entry (source, name) values ('gate', 'known') on conflict do nothing;
             insert into held (source, received_at, id, receipt_id, event_source, event_id, event_type, stage, attributes, held_at)
             values ('gate', NOW, '{id}', '{id}', '/sources/gate', 'e', 't', 'transform', '{{}}', {at});
             insert into held_device values ('gate', '{device}', NOW, '{id}')"
        )
    };
    let rows = [
        (held("known", "NOW"), "held-payloads.due"),
        (held("unknown", "NOW::timestamptz - interval '8 days'"), "held-payloads.due"),
        ("insert into evaluation_request values (1, NOW, 1)".to_owned(), "evaluation.requested"),
        (format!("{state} values ('Hot', 1, 0, 'h', NOW, '{{}}', 'ok', NOW, NOW)"), "evaluation.requested"),
        (format!("{transition}; {notification}"), "notifications.due"),
        (dead_letter.to_owned(), "dead-letters.due"),
    ];
    for (row, event) in rows {
        world.execute(&row).await;
        assert_eq!(world.tick().await, [format!("dev.freshet.{event}.v1")], "{row}");
        world
            .execute("truncate evaluation_request, alert_state, notification, alert_transition, dead_letter, held, held_device")
            .await;
        assert_eq!(world.tick().await, Vec::<String>::new(), "after {row}");
    }
    world.execute(&held("unknown", "NOW")).await;
    assert_eq!(world.tick().await, Vec::<String>::new(), "it is held");
}

#[tokio::test]
async fn a_job_whose_time_has_come_wakes_its_service_until_it_is_done() {
    let Some(world) = World::start().await else { return };
    let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
    let client = Database::new(&world.settings).client().await.unwrap();
    active_pipeline::activate(&client, &pipeline.hash, world.clock.now()).await.unwrap();
    assert_eq!(
        world.tick().await,
        Vec::<String>::new(),
        "what was before the schedule was known is not made up for"
    );
    world.clock.advance(Duration::from_secs(15 * 3600));
    for _ in 0..2 {
        assert_eq!(world.tick().await, ["dev.freshet.jobs.due.v1"]);
        let event = world.broker.received().pop().unwrap();
        assert_eq!(event.header("ce-subject"), Some("cleanup"));
    }
    world.execute("update job_slot set state = 'done'").await;
    assert_eq!(world.tick().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_state_of_a_rule_that_is_not_in_the_active_file_asks_for_an_evaluation() {
    let Some(world) = World::start().await else { return };
    let pipeline = Pipeline::parse(PIPELINE, "freshet.yaml").unwrap();
    let now = world.clock.now();
    let hash = pipeline.rules[0].hash();
    let state = |stream: i32, rule: &str, hash: &str| {
        format!(
            "insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, updated_at)
             values ('{rule}', {stream}, 0, '{hash}', NOW, '{{}}', 'ok', NOW)"
        )
    };
    let client = Database::new(&world.settings).client().await.unwrap();
    world.execute(&state(1, "Hot", &hash)).await;
    world.execute(&state(2, "Old", "o")).await;
    active_pipeline::activate(&client, "another file", now).await.unwrap();
    assert_eq!(world.tick().await, Vec::<String>::new(), "the file in force has the say");
    active_pipeline::activate(&client, &pipeline.hash, now).await.unwrap();
    assert_eq!(world.tick().await, ["dev.freshet.evaluation.requested.v1"]);
    world.execute("delete from alert_state where rule = 'Old'").await;
    assert_eq!(world.tick().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_payload_among_the_dead_letters_holds_up_the_heartbeat_until_it_is_sent_back_and_through() {
    let Some(world) = World::start().await else { return };
    world.tick().await;
    world
        .execute(&format!(
            "insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at, last_at)
             values (gen_random_uuid(), '/s', 'e', '{PAYLOAD_RECEIVED}', 'transform', 'unavailable', '', '{{}}', NOW, NOW)"
        ))
        .await;
    world.tick().await;
    assert_eq!(world.heartbeats().await.len(), 1, "it waits");
    world.execute("update dead_letter set sent_back = true, replayed_at = NOW, replays = 1").await;
    world.tick().await;
    assert_eq!(world.heartbeats().await.len(), 1, "it is on its way");
    world.execute("update dead_letter set sent_back = false, resolved_at = NOW").await;
    world.tick().await;
    assert_eq!(world.heartbeats().await.len(), 4, "and so were all ticks meanwhile through");
}

#[tokio::test]
async fn a_payload_that_has_waited_for_an_hour_holds_up_nothing() {
    let Some(world) = World::start().await else { return };
    world
        .execute(&format!(
            "insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, first_at, last_at)
             values (gen_random_uuid(), '/s', 'e', '{PAYLOAD_RECEIVED}', 'transform', 'unavailable', '', '{{}}', NOW, NOW)"
        ))
        .await;
    for _ in 0..11 {
        world.tick().await;
    }
    assert_eq!(world.heartbeats().await, []);
    world.tick().await;
    assert_eq!(world.heartbeats().await.len(), 12);
}

#[tokio::test]
async fn without_a_database_a_tick_is_to_come_again() {
    let nowhere = DatabaseSettings::from_url("postgresql://nobody@127.0.0.1:1/none").unwrap();
    let nowhere = nowhere.acquire_timeout(Duration::from_millis(300));
    let clock = Clock::manual("2026-03-01T12:00:00Z".parse().unwrap());
    let stage = stage(&nowhere, &TestReceiver::start().await, &clock);
    assert_eq!(tick(&stage, &clock).await.status(), 503);
}

#[tokio::test]
async fn a_topic_of_the_pipeline_that_is_not_read_any_more_is_left_and_that_of_a_source_is_its_workers() {
    let Some(world) = World::start().await else { return };
    let rows = "insert into topic_offset (source, topic, \"partition\", next)
                values ('', 'payloads', 0, 5), ('floor', 'readings', 0, 5)";
    world.execute(rows).await;
    world.tick().await;
    let left_at = world.clock.now();
    world.tick().await;
    let rows =
        world.client.query("select topic, left_at from topic_offset order by topic", &[]).await.unwrap();
    let left: Vec<(String, Option<Timestamp>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(left, [("payloads".to_owned(), Some(left_at)), ("readings".to_owned(), None)]);
}
