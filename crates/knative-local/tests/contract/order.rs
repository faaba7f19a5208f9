//! Section 2.6: order, concurrency and offsets.

use knative_local::Order;

use crate::setup::{Event, Setup, quiet, start, trigger};
use crate::subscriber::{Answer, TestSubscriber};

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_trigger_sends_one_at_a_time_a_partition() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer { delay_ms: 5, ..Answer::status(202) }).await;
    subscriber.next([Answer::status(503)]);
    let mut config = setup.config();
    let mut ordered = trigger("t", &subscriber.url);
    ordered.order = Order::Ordered;
    config.triggers = vec![ordered];
    let running = start(config).await;
    let ids: Vec<_> = (0..20).map(|id| id.to_string()).collect();
    for id in &ids {
        setup.post(&running.broker_url(), &Event { key: Some("device"), ..Event::new(id) }).await;
    }
    quiet(&running).await;
    // The first is refused once, and nothing overtakes it.
    let expected: Vec<_> = ["0".to_owned()].into_iter().chain(ids).collect();
    assert_eq!(subscriber.ids(), expected);
    assert_eq!(subscriber.most_at_once(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unordered_trigger_has_at_most_99_under_way() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer { delay_ms: 300, ..Answer::status(202) }).await;
    let mut config = setup.config();
    config.triggers = vec![trigger("t", &subscriber.url)];
    let running = start(config).await;
    let ids: Vec<_> = (0..250).map(|id| id.to_string()).collect();
    let url = running.broker_url();
    let posts = ids.iter().map(|id| async { setup.post(&url, &Event::new(id)).await });
    futures_util::future::join_all(posts).await;
    quiet(&running).await;
    let most = subscriber.most_at_once();
    assert!((50..=99).contains(&most), "{most} at once");
    assert_eq!(subscriber.received().len(), 250);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_trigger_goes_on_where_it_was_and_a_new_one_sees_nothing_old() {
    let setup = Setup::new();
    let subscriber = TestSubscriber::answering(Answer::status(202)).await;
    let config = || {
        let mut config = setup.config();
        config.triggers = vec![trigger("known", &subscriber.url)];
        config
    };
    let running = start(config()).await;
    setup.post(&running.broker_url(), &Event::new("1")).await;
    quiet(&running).await;
    running.stop().await;

    let fresh = TestSubscriber::answering(Answer::status(202)).await;
    let mut second = config();
    second.triggers.push(trigger("new", &fresh.url));
    let running = start(second).await;
    setup.post(&running.broker_url(), &Event::new("2")).await;
    quiet(&running).await;
    assert_eq!(subscriber.ids(), ["1", "2"]);
    assert_eq!(fresh.ids(), ["2"]);
    running.stop().await;
}
