//! More work than one event may do.

#![allow(clippy::unwrap_used, reason = "a test may")]

use alert::Alert;
use cloudevents::AttributesReader as _;
use evaluate::{Evaluator, WatchedRules};
use event_model::cloudevent;
use event_model::event_types::{ALERTS_CHANGED, EVALUATION_REQUESTED};
use jiff::Timestamp;
use pipeline_config::Pipeline;
use runtime::{ClientOptions, Clock, Prewarm};
use serde_json::json;
use sink::{HttpSink, Overrides};
use stage::{Delivery, Outcome, Stage as _};
use store::{Database, DatabaseSettings, active_pipeline, migrate};
use testkit::TestReceiver;

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
async fn what_one_event_may_not_do_is_done_by_those_that_it_leads_to() {
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
    let broker = TestReceiver::start().await;
    let url = broker.url("/freshet/default").parse().unwrap();
    let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
    let evaluator = Evaluator { database, clock, pipeline, rules, max_streams: 3, prewarm };
    let alert = Alert::new(evaluator, sink);

    let mut event = cloudevent::new(EVALUATION_REQUESTED, "/stages/transform", "1");
    cloudevent::set_json(&mut event, &json!({"streams": []})).unwrap();
    let mut ids = vec![event.id().to_owned()];
    loop {
        let Outcome::Reply(reply) = alert.handle(event, Delivery::at(now)).await else { panic!("no reply") };
        assert_eq!(reply.ty(), ALERTS_CHANGED);
        let received = broker.received();
        let Some(next) = received.get(ids.len() - 1) else { break };
        let headers = next.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        event = cloudevent::from_binary(headers, next.body.as_slice()).unwrap();
        assert!(event.ty() == EVALUATION_REQUESTED && !ids.iter().any(|id| id == event.id()), "{ids:?}");
        ids.push(event.id().to_owned());
    }
    assert_eq!(ids.len(), 4);
    let count = "select (select count(*) from evaluation_request), (select count(*) from alert_transition)";
    let row = sql.query_one(count, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (0, 10));
}
