//! What the stage answers where no database is needed to answer.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::Write as _;
use std::time::Duration;

use alert::{Alert, Config};
use evaluate::Evaluator;
use event_model::cloudevent;
use event_model::event_types::{EVALUATION_REQUESTED, TICK};
use jiff::Timestamp;
use runtime::{ClientOptions, Clock, Env, Prewarm};
use serde_json::json;
use sink::{HttpSink, Overrides};
use stage::telemetry::EvaluationMetrics;
use stage::{Delivery, Outcome, Stage as _};
use store::{Database, DatabaseSettings};

const PIPELINE: &str = "
sources:
  greenhouse: {format: json, credentials: [{bearer: {env: TOKEN}}]}
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";

fn config(pipeline: &str) -> Result<Config, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pipeline.as_bytes()).unwrap();
    let mut env = Env::from_pairs(&[("FRESHET_PIPELINE", file.path().to_str().unwrap())]);
    let config = Config::from_env(&mut env);
    env.finish().map_err(|errors| errors.to_string())?;
    Ok(config.unwrap())
}

/// Over a database that does not answer.
async fn answer(event_type: &str, data: serde_json::Value) -> Outcome {
    let nowhere = DatabaseSettings::from_url("postgresql://nobody@127.0.0.1:1/none").unwrap();
    let database = Database::new(&nowhere.acquire_timeout(Duration::from_millis(500)));
    let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
    let Config { pipeline, rules } = config(PIPELINE).unwrap();
    let (clock, prewarm) = (Clock::manual(now), Prewarm::default());
    let evaluator = Evaluator { database, clock, pipeline, rules, prewarm };
    let url = "http://127.0.0.1:1/".parse().unwrap();
    let sink = HttpSink::new(&url, &ClientOptions::default(), Overrides::default()).unwrap();
    let stage = Alert::new(evaluator, sink, EvaluationMetrics::default());
    let mut event = cloudevent::new(event_type, "/stages/transform", "1");
    cloudevent::set_json(&mut event, &data).unwrap();
    stage.handle(event, Delivery::at(now)).await
}

#[tokio::test]
async fn without_a_database_an_event_is_to_come_again() {
    assert_eq!(answer(EVALUATION_REQUESTED, json!({"streams": []})).await.status(), 503);
}

#[tokio::test]
async fn data_that_its_type_does_not_have_is_malformed() {
    assert_eq!(answer(EVALUATION_REQUESTED, json!({"streams": 1})).await.status(), 400);
    assert_eq!(answer(EVALUATION_REQUESTED, json!([])).await.status(), 400);
}

#[tokio::test]
async fn an_event_of_another_type_is_passed_over() {
    assert_eq!(answer(TICK, json!({})).await, Outcome::Skip);
}

#[test]
fn a_pipeline_file_with_mistakes_is_refused_with_all_of_them() {
    let errors = config("rules:\n  A: {metric: x}\n  B: {above: 1}\n").unwrap_err();
    assert!(errors.matches('\n').count() >= 1, "{errors}");
}
