//! Sections 2.1 to 2.3 and 2.7: what a subscriber is sent, when again, and what it is not sent.

use crate::setup::{Event, Setup, quiet, start, trigger};
use crate::subscriber::{Answer, TestSubscriber};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_in_binary_mode_with_its_trace_and_its_place() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = Event {
        key: Some("device"),
        headers: &[("content-type", "text/plain"), ("traceparent", traceparent), ("x-other", "dropped")],
        data: "data",
        ..Event::new("1")
    };
    assert_eq!(setup.post(&running.broker_url(), &event).await, 202);
    quiet(&running).await;
    let received = subscriber.received();
    assert_eq!(received.len(), 1);
    for (name, value) in [
        ("ce-id", "1"),
        ("ce-partitionkey", "device"),
        ("content-type", "text/plain"),
        ("traceparent", traceparent),
        ("prefer", "reply"),
        ("kn-namespace", "default"),
        ("ce-knativekafkaoffset", "0"),
    ] {
        assert_eq!(received[0].header(name), Some(value), "{name}");
    }
    assert!(received[0].header("ce-knativekafkapartition").is_some());
    assert_eq!(received[0].header("x-other"), None);
    assert_eq!(received[0].body, "data");
    assert!(running.violations().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_later_is_tried_again_and_nothing_else() {
    let setup = Setup::new();
    for (status, attempts) in
        [(404, 3), (408, 3), (409, 3), (429, 3), (500, 3), (503, 3), (400, 1), (422, 1), (302, 1)]
    {
        let subscriber = TestSubscriber::answering(Answer::status(status)).await;
        let mut config = setup.config();
        config.triggers = vec![trigger(&format!("t{status}"), &subscriber.url)];
        let running = start(config).await;
        setup.post(&running.broker_url(), &Event::new("1")).await;
        quiet(&running).await;
        assert_eq!(subscriber.received().len(), attempts, "{status}");
        let stats = running.stats();
        let of_trigger = stats.triggers[&format!("t{status}")];
        assert_eq!((of_trigger.dropped, of_trigger.lost, stats.lost), (1, 0, 0), "{status}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_without_a_dead_letter_sink_drops_what_used_up_its_attempts() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(503)).await;
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    assert_eq!(subscriber.received().len(), 3);
    let stats = running.stats();
    let of_trigger = stats.triggers["t"];
    assert_eq!((of_trigger.dropped, of_trigger.dead_lettered, of_trigger.lost), (1, 0, 0));
    assert_eq!((stats.lost, running.violations()), (0, Vec::new()), "nothing that was to be kept is lost");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_made_again() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    subscriber.next([Answer { delay_ms: 3000, ..Answer::status(202) }, Answer::status(503)]);
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    assert_eq!(subscriber.received().len(), 3);
    let stats = running.stats().triggers["t"];
    assert_eq!((stats.delivered, stats.retried), (1, 2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_filter_names_is_delivered() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    let mut asked = trigger("asked", &subscriber.url);
    asked.filter.insert("subject".to_owned(), String::new());
    asked.filter.insert("evaluation".to_owned(), "due".to_owned());
    config.triggers = vec![asked];
    let running = start(config).await;
    let url = running.broker_url();
    let due = [("ce-evaluation", "due")];
    setup.post(&url, &Event { headers: &due, ..Event::new("yes") }).await;
    setup.post(&url, &Event { headers: &[("ce-evaluation", "none")], ..Event::new("other") }).await;
    setup.post(&url, &Event::new("absent")).await;
    setup.post(&url, &Event { headers: &due, event_type: "test.else", ..Event::new("type") }).await;
    quiet(&running).await;
    assert_eq!(subscriber.ids(), ["yes"]);
    running.stop().await;
}
