//! Section 2.5: what becomes of what nobody took.

use std::time::Duration;

use knative_local::{Config, DeadLetterSink, DeadLetterTopic, Rule, Subscriber};
use testkit::eventually;

use crate::setup::{BUDGET, Event, Setup, quiet, rules, start, trigger};
use crate::subscriber::{Answer, TestSubscriber};

fn with_topic(mut config: Config, stage: &TestSubscriber, sink: &TestSubscriber) -> Config {
    let mut trigger = trigger("t", &stage.url);
    trigger.dead_letter_sink = Some(DeadLetterSink::Topic);
    config.triggers = vec![trigger];
    config.dead_letter_topic = Some(DeadLetterTopic {
        subscriber: Subscriber::Url(sink.url.clone()),
        timeout: Duration::from_secs(1),
        backoff_delay: Duration::from_millis(100),
        backoff_cap: Duration::from_secs(1),
    });
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_says_where_it_failed_and_why() {
    let setup = Setup::new();
    let refusal = Answer {
        body: "no such unit",
        headers: vec![("kne-reason", "unit".to_owned()), ("kne-bad-name", "x".to_owned())],
        ..Answer::status(422)
    };
    let stage = TestSubscriber::answering(refusal).await;
    let sink = TestSubscriber::answering(Answer::status(202)).await;
    let running = start(with_topic(setup.config(), &stage, &sink)).await;
    setup.post(&running.broker_url(), &Event { data: "poison", ..Event::new("1") }).await;
    quiet(&running).await;
    let letters = sink.received();
    assert_eq!(letters.len(), 1);
    for (name, value) in [
        ("ce-id", "1"),
        ("ce-knativeerrordest", stage.url.as_str()),
        ("ce-knativeerrorcode", "422"),
        ("ce-knativeerrordata", "bm8gc3VjaCB1bml0"),
        ("ce-reason", "unit"),
        ("ce-knativekafkaoffset", "0"),
    ] {
        assert_eq!(letters[0].header(name), Some(value), "{name}");
    }
    assert_eq!(letters[0].body, "poison");
    assert_eq!(running.stats().lost, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_is_delivered_until_it_is_taken_and_over_a_restart() {
    let setup = Setup::new();
    let stage = TestSubscriber::answering(Answer::status(400)).await;
    let sink = TestSubscriber::answering(Answer::status(503)).await;
    let running = start(with_topic(setup.config(), &stage, &sink)).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    eventually(BUDGET, || async { sink.received().len() > 5 }).await;
    running.stop().await;

    let sink = TestSubscriber::answering(Answer::status(202)).await;
    let running = start(with_topic(setup.config(), &stage, &sink)).await;
    quiet(&running).await;
    assert_eq!(sink.ids(), ["1"]);
    assert_eq!(stage.received().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_takes_nothing_is_tried_until_it_does() {
    let setup = Setup::new();
    let stage = TestSubscriber::answering(Answer::status(400)).await;
    let sink = TestSubscriber::answering(Answer::status(202)).await;
    let running = start(with_topic(setup.config(), &stage, &sink)).await;
    running.faults().dead_letter_sink_down(true);
    setup.post(&running.broker_url(), &Event::new("1")).await;
    eventually(BUDGET, || async { stage.received().len() == 1 }).await;
    assert!(!running.quiet());
    running.faults().dead_letter_sink_down(false);
    quiet(&running).await;
    assert_eq!(sink.ids(), ["1"]);
    assert!(running.violations().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_as_sink_that_takes_nothing_loses_the_event() {
    let setup = Setup::new();
    let stage = TestSubscriber::answering(Answer::status(400)).await;
    let sink = TestSubscriber::answering(Answer::status(503)).await;
    let mut config = setup.config();
    let mut trigger = trigger("t", &stage.url);
    trigger.dead_letter_sink = Some(DeadLetterSink::Subscriber(Subscriber::Url(sink.url.clone())));
    config.triggers = vec![trigger];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    assert_eq!(sink.received().len(), 3);
    assert_eq!(running.stats().lost, 1);
    assert_eq!(rules(&running.violations()), [Rule::NothingIsLost]);
    running.stop().await;
}
