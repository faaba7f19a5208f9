//! One payload through the whole world, from the webhook to the notification.

use std::time::Duration;

use pipeline_tests::stand::{Plan, Stand};
use testkit::{TestReceiver, eventually};

const PIPELINE: &str = "
sources:
  field:
    format: json
    credentials: [{header: X-Api-Key, secret: {env: STAND_KEY}}]
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: {env: OPS_URL}, secret: {env: OPS_SECRET}}}
routes: [{to: [ops]}]
network: {allow: [127.0.0.1]}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_reading_becomes_a_row_a_transition_and_a_message() {
    let ops = TestReceiver::start().await;
    let mut plan = Plan::new(PIPELINE);
    plan.environment = vec![
        ("OPS_URL".to_owned(), ops.url("/alerts")),
        ("OPS_SECRET".to_owned(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
    ];
    let Some(stand) = Stand::up(plan).await else { return };
    stand.post_until_taken("field", br#"{"device": "f-1", "temperature": 31.5}"#.to_vec()).await;
    eventually(Duration::from_secs(20), || async { !ops.received().is_empty() }).await;
    stand.rest().await;

    let row = stand
        .database()
        .await
        .query_one(
            "select (select count(*) from readings where value = 31.5),
                    (select count(*) from alert_transition where kind = 'firing'),
                    (select count(*) from notification where status = 'delivered')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), (1_i64, 1_i64, 1_i64));
    assert_eq!(ops.received().len(), 1);
    // `ingest` has said so while `transform` was still to start.
    assert_eq!(stand.running.stats().services["alert"].woken, 1);
    stand.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_somebody_else_puts_into_the_broker_becomes_a_row() {
    let pipeline = "sources: {plant: {format: json, events: {type: com.example.reading}}}";
    let Some(stand) = Stand::up(Plan::new(pipeline)).await else { return };
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let event = client
        .post(stand.running.broker_url())
        .header("content-type", "application/json")
        .header("ce-specversion", "1.0")
        .header("ce-id", "1")
        .header("ce-source", "/plant/7")
        .header("ce-type", "com.example.reading")
        .body(r#"{"device": "press", "pressure": 3.5}"#);
    assert_eq!(event.send().await.unwrap().status().as_u16(), 202);
    stand.rest().await;

    let rows = "select count(*) from readings where source = 'plant' and device = 'press' and value = 3.5";
    assert_eq!(stand.database().await.query_one(rows, &[]).await.unwrap().get::<_, i64>(0), 1);
    stand.down().await;
}
