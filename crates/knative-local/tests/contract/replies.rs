//! Section 2.4: what an answer's body does.

use knative_local::{Rule, Subscriber, TriggerSpec};

use crate::setup::{Event, Setup, quiet, rules, start, trigger};
use crate::subscriber::{Answer, TestSubscriber};

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_into_the_same_broker_even_with_202() {
    let setup = Setup::new();
    let answers = [
        Answer::reply("test.answered", None),
        Answer { status: 202, ..Answer::reply("test.answered", None) },
    ];
    let asked = TestSubscriber::answering(Answer::status(202)).await;
    asked.next(answers);
    let answered = TestSubscriber::answering(Answer::status(202)).await;
    let mut config = setup.config();
    let mut second = TriggerSpec::new("second", Subscriber::Url(answered.url.clone()));
    second.filter.insert("type".to_owned(), "test.answered".to_owned());
    config.triggers = vec![trigger("first", &asked.url), second];
    let running = start(config).await;
    for id in ["1", "2"] {
        setup.post(&running.broker_url(), &Event::new(id)).await;
    }
    quiet(&running).await;
    assert_eq!(answered.ids(), ["reply", "reply"]);
    assert!(running.violations().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_event_is_a_failure_without_another_attempt() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer { body: "OK", ..Answer::status(200) }).await;
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    assert_eq!(subscriber.received().len(), 1);
    assert_eq!(running.stats().triggers["t"].dropped, 1);
    assert_eq!(rules(&running.violations()), [Rule::AnswerIsEmptyOrEvent]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_loop_or_lose_their_key_are_noted() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let mut echo = Answer::reply("test.asked", None);
    echo.headers.push(("ce-knativekafkaoffset", "3".to_owned()));
    subscriber.next([echo]);
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    setup.post(&running.broker_url(), &Event { key: Some("device"), ..Event::new("1") }).await;
    quiet(&running).await;
    assert_eq!(
        rules(&running.violations()),
        [Rule::ReplyChangesType, Rule::ReplyKeepsPartitionKey, Rule::ReplyDropsKnativeAttributes]
    );
    assert_eq!(subscriber.ids(), ["1", "reply"]);
    running.stop().await;
}
