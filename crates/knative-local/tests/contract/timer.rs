//! Section 3.3: a PingSource's events.

use std::time::Duration;

use knative_local::{Subscriber, TickError, TimerSpec, TriggerSpec};
use testkit::eventually;

use crate::setup::{BUDGET, Setup, quiet, start};
use crate::subscriber::{Answer, TestSubscriber};

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_has_the_form_of_a_ping_sources() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    config.timers = vec![TimerSpec { name: "tick".to_owned(), every: None }];
    config.triggers = vec![TriggerSpec::new("t", Subscriber::Url(subscriber.url.clone()))];
    let running = start(config).await;
    running.tick("tick").await.unwrap();
    assert_eq!(running.tick("tock").await, Err(TickError::Unknown("tock".to_owned())));
    quiet(&running).await;
    let ticks = subscriber.received();
    assert_eq!(ticks.len(), 1);
    assert_eq!(ticks[0].header("ce-type"), Some("dev.knative.sources.ping"));
    assert_eq!(ticks[0].header("ce-source"), Some("/apis/v1/namespaces/default/pingsources/tick"));
    assert_eq!(ticks[0].header("ce-time"), Some("2023-11-14T22:13:20Z"));
    assert!(running.violations().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_come_by_themselves() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    config.timers = vec![TimerSpec { name: "tick".to_owned(), every: Some(Duration::from_millis(20)) }];
    config.triggers = vec![TriggerSpec::new("t", Subscriber::Url(subscriber.url.clone()))];
    let running = start(config).await;
    eventually(BUDGET, || async { subscriber.received().len() >= 3 }).await;
    running.stop().await;
}
