//! More work than one event may do.

#![allow(clippy::unwrap_used, reason = "a test may")]

use alert::Alert;
use cloudevents::AttributesReader as _;
use evaluate::{Evaluator, WatchedRules};
use event_model::cloudevent;
use event_model::event_types::{EVALUATION_REQUESTED, HEARTBEAT_RECORDED};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{Clock, Prewarm};
use serde_json::json;
use stage::{Delivery, Outcome, Stage as _};
use store::{Database, DatabaseSettings, active_pipeline, migrate};

const PIPELINE: &str = "
sources:
  greenhouse: {format: json, credentials: [{bearer: {env: TOKEN}}]}
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

/// Ten devices, each with a reading at $1 and an evaluation request.
const TEN_DEVICES: &str = r#"
    with d as (insert into device (source, name, first_seen_at, last_seen_at)
               select 'greenhouse', 'gh-' || n, $1, $1 from generate_series(1, 10) as n returning id),
         s as (insert into stream (device_id, channel) select id, '' from d returning id),
         m as (insert into metric (stream_id, position, name, unit, kind)
               select id, 0, 'temperature', 'Cel', 'number' from s),
         r as (insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
               select id, $1, $1, gen_random_uuid(), '{31}' from s)
    insert into evaluation_request (stream_id, from_at, token) select id, $1, nextval('evaluation_token') from s"#;

#[tokio::test]
async fn what_one_event_may_not_do_is_done_by_the_events_that_it_answers_with() {
    let Some(server) = testkit::postgres().await else { return };
    let settings = DatabaseSettings::from_url(server.url()).unwrap();
    migrate(&settings).await.unwrap();
    let sql = server.connect().await;
    let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
    let database = Database::new(&settings);
    let pipeline = Pipeline::parse(PIPELINE, "test.yaml").unwrap_or_else(|mistakes| panic!("{mistakes}"));
    active_pipeline::activate(&database.client().await.unwrap(), &pipeline.hash, now).await.unwrap();
    sql.execute(TEN_DEVICES, &[&now]).await.unwrap();
    let rules = WatchedRules::new(&pipeline.rules).unwrap();
    let (clock, prewarm) = (Clock::manual(now), Prewarm::default());
    let alert = Alert::new(Evaluator { database, clock, pipeline, rules, max_streams: 3, prewarm });

    let mut event = cloudevent::new(EVALUATION_REQUESTED, "/stages/transform", "1");
    cloudevent::set_json(&mut event, &json!({"streams": []})).unwrap();
    let mut types = vec![];
    while let Outcome::Reply(reply) = alert.handle(event, Delivery::at(now)).await {
        types.push(reply.ty().to_owned());
        event = *reply;
    }
    assert_eq!(types[..3], [HEARTBEAT_RECORDED, EVALUATION_REQUESTED, HEARTBEAT_RECORDED]);
    assert_eq!(types.len(), 4);
    let count = "select (select count(*) from evaluation_request), (select count(*) from alert_transition)";
    let row = sql.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 10));
}
