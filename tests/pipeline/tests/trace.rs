//! One trace from the webhook to the notification.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pipeline_tests::stand::{KEY, Plan, Stand};
use testkit::{TestReceiver, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

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
async fn a_senders_trace_leads_to_the_notification_it_caused() {
    let (ops, collector) = (TestReceiver::start().await, TestReceiver::start().await);
    let mut plan = Plan::new(PIPELINE);
    plan.environment = vec![
        ("OPS_URL".to_owned(), ops.url("/alerts")),
        ("OPS_SECRET".to_owned(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), collector.url("")),
    ];
    let Some(stand) = Stand::up(plan).await else { return };
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let answer = client
        .post(format!("{}/hooks/field", stand.running.service_url("ingest").unwrap()))
        .header("content-type", "application/json")
        .header("x-api-key", KEY)
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
        .body(r#"{"device": "f-1", "temperature": 31.5}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    eventually(Duration::from_secs(20), || async { !ops.received().is_empty() }).await;
    stand.rest().await;

    let is_ours =
        |traceparent: Option<&str>| traceparent.is_some_and(|text| text.starts_with(&format!("00-{TRACE}-")));
    let message = ops.received().remove(0);
    assert!(is_ours(message.header("traceparent")), "{:?}", message.headers);
    let database = stand.database().await;
    for table in ["receipt", "alert_transition"] {
        let row = database.query_one(&format!("select traceparent from {table}"), &[]).await.unwrap();
        let traceparent: Option<String> = row.get(0);
        assert!(is_ours(traceparent.as_deref()), "{table}: {traceparent:?}");
    }
    // A stage sends its last spans when it stops.
    stand.down().await;
    let id: Vec<u8> =
        (0..TRACE.len()).step_by(2).map(|at| u8::from_str_radix(&TRACE[at..at + 2], 16).unwrap()).collect();
    for stage in ["ingest", "transform", "alert", "notify"] {
        let exports = collector.received();
        let mut of_stage = exports
            .iter()
            .filter(|received| received.target == "/v1/traces" && contains(&received.body, stage.as_bytes()));
        assert!(of_stage.any(|received| contains(&received.body, &id)), "no span of {stage} is in the trace");
    }
}

fn contains(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}
