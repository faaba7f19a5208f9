//! Section 8's chaos switches.

use testkit::eventually;

use crate::setup::{BUDGET, Event, Setup, quiet, start, trigger};
use crate::subscriber::{Answer, TestSubscriber};

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_sends_everything_again_that_is_not_committed() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    config.commit_interval = std::time::Duration::from_secs(3600);
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    running.faults().crash();
    eventually(BUDGET, || async { subscriber.ids() == ["1", "1"] }).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_answer_loses_the_reply_and_sends_the_event_again() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::reply("test.answered", None)).await;
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    running.faults().crash_after_next_answer();
    setup.post(&running.broker_url(), &Event::new("1")).await;
    eventually(BUDGET, || async { subscriber.ids() == ["1", "1"] }).await;
    quiet(&running).await;
    assert_eq!(running.stats().triggers["t"].delivered, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_and_another_order_can_be_had() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    config.partitions = 1;
    let mut ordered = trigger("t", &subscriber.url);
    ordered.order = knative_local::Order::Ordered;
    config.triggers = vec![ordered];
    let running = start(config).await;
    let ids: Vec<_> = (10..40).map(|id| id.to_string()).collect();
    running.faults().duplicate_every(3);
    running.faults().reorder(true);
    let url = running.broker_url();
    let posts = ids.iter().map(|id| async { setup.post(&url, &Event::new(id)).await });
    futures_util::future::join_all(posts).await;
    quiet(&running).await;
    let offsets: Vec<u64> = subscriber
        .received()
        .iter()
        .map(|event| event.header("ce-knativekafkaoffset").unwrap().parse().unwrap())
        .collect();
    assert_eq!(offsets.len(), 40);
    assert!(!offsets.is_sorted());
    assert!(offsets.iter().zip(0..).all(|(offset, place)| offset.abs_diff(place) < 5));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_down_answers_503_and_takes_no_reply() {
    let setup = Setup::new();
    let subscriber =
        TestSubscriber::answering(Answer { delay_ms: 300, ..Answer::reply("test.answered", None) }).await;
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    eventually(BUDGET, || async { subscriber.received().len() == 1 }).await;
    running.faults().sink_down(true);
    assert_eq!(setup.post(&running.broker_url(), &Event::new("2")).await, 503);
    quiet(&running).await;
    assert_eq!(running.stats().triggers["t"].dropped, 1);
    running.faults().sink_down(false);
    assert_eq!(setup.post(&running.broker_url(), &Event::new("2")).await, 202);
    running.stop().await;
}
