//! What an event is answered with, and what follows where its time is up.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::time::Duration;

use alert::Alert;
use cloudevents::{AttributesReader as _, Event};
use evaluate::{Evaluator, WatchedRules};
use event_model::cloudevent;
use event_model::event_types::{ALERTS_CHANGED, EVALUATION_REQUESTED, NOTIFICATIONS_DUE};
use event_model::events::AlertsChanged;
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{ClientOptions, Clock, Prewarm};
use serde_json::json;
use sink::{HttpSink, Overrides};
use stage::telemetry::EvaluationMetrics;
use stage::{Delivery, Outcome, Stage as _};
use store::migrate::ROLES;
use store::{Database, DatabaseSettings, active_pipeline, migrate};
use testkit::{TestDatabase, TestReceiver};

const PIPELINE: &str = "
sources:
  greenhouse: {format: json, credentials: [{bearer: {env: TOKEN}}]}
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

/// $2 devices, each with a reading at $1 and an evaluation request.
const DEVICES: &str = r#"
    with d as (insert into device (source, name, first_seen_at, last_seen_at)
               select 'greenhouse', 'gh-' || n, $1, $1 from generate_series(1, $2::integer) as n returning id),
         s as (insert into stream (device_id, channel) select id, '' from d returning id),
         m as (insert into metric (stream_id, position, name, unit, kind)
               select id, 0, 'temperature', 'Cel', 'number' from s),
         r as (insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
               select id, $1, $1, gen_random_uuid(), '{31}' from s)
    insert into evaluation_request (stream_id, from_at, token) select id, $1, nextval('evaluation_token') from s"#;

struct World {
    sql: tokio_postgres::Client,
    _server: TestDatabase,
    broker: TestReceiver,
    alert: Alert,
}

impl World {
    /// `None` where PostgreSQL is not installed.
    async fn with_devices(devices: i32) -> Option<Self> {
        let server = testkit::postgres().await?;
        let settings = DatabaseSettings::from_url(server.url()).unwrap();
        migrate(&settings).await.unwrap();
        let sql = server.connect().await;
        let database = Database::new(&settings);
        let pipeline = Pipeline::parse(PIPELINE, "test.yaml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
        active_pipeline::activate(&database.client().await.unwrap(), &pipeline.hash, now()).await.unwrap();
        sql.execute(DEVICES, &[&now(), &devices]).await.unwrap();
        let rules = WatchedRules::new(&pipeline.rules).unwrap();
        let (clock, prewarm) = (Clock::manual(now()), Prewarm::default());
        let role = server.as_role(ROLES, "freshet_alert").await;
        let database = Database::new(&DatabaseSettings::from_url(role.url()).unwrap());
        let broker = TestReceiver::start().await;
        let url = broker.url("/freshet/default").parse().unwrap();
        let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
        let alert = Alert::new(
            Evaluator { database, clock, pipeline, rules, prewarm },
            sink,
            EvaluationMetrics::default(),
        );
        Some(Self { sql, _server: server, broker, alert })
    }
}

fn now() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn request() -> Event {
    let mut event = cloudevent::new(EVALUATION_REQUESTED, "/stages/transform", "1");
    cloudevent::set_json(&mut event, &json!({"streams": []})).unwrap();
    event
}

#[tokio::test]
async fn what_one_event_has_no_time_for_is_done_by_those_that_it_leads_to() {
    let Some(world) = World::with_devices(300).await else { return };
    let mut event = request();
    let mut ids = vec![event.id().to_owned()];
    loop {
        let delivery = Delivery::at(now()).within(Duration::ZERO);
        let Outcome::Reply(reply) = world.alert.handle(event, delivery).await else { panic!("no reply") };
        assert_eq!(reply.ty(), ALERTS_CHANGED);
        let received = world.broker.received();
        let Some(next) = received.get(ids.len() - 1) else { break };
        let headers = next.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        event = cloudevent::from_binary(headers, next.body.as_slice()).unwrap();
        assert!(event.ty() == EVALUATION_REQUESTED && !ids.iter().any(|id| id == event.id()), "{ids:?}");
        ids.push(event.id().to_owned());
    }
    assert_eq!(ids.len(), 3);
    let count = "select (select count(*) from evaluation_request), (select count(*) from alert_transition)";
    let row = world.sql.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 300));
}

#[tokio::test]
async fn a_transition_is_answered_with_what_wakes_notify_and_so_is_what_it_has_not_sent_yet() {
    let Some(world) = World::with_devices(1).await else { return };
    let handle = || world.alert.handle(request(), Delivery::at(now()));
    let Outcome::Reply(changed) = handle().await else { panic!("no reply") };
    assert_eq!(changed.ty(), ALERTS_CHANGED);
    let changed: AlertsChanged = cloudevent::json(&changed).unwrap();
    assert_eq!(changed, AlertsChanged { transitions: 1, notifications: 1 });
    let Outcome::Reply(due) = handle().await else { panic!("no reply") };
    assert_eq!(due.ty(), NOTIFICATIONS_DUE);
    world.sql.execute("update notification set status = 'delivered'", &[]).await.unwrap();
    assert_eq!(handle().await, Outcome::Done);
}
