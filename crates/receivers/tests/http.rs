//! Webhook, Slack and ntfy against receivers on loopback, and the addresses that are refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peers;

use std::sync::Arc;

use jiff::SignedDuration;
use pipeline_config::Secret;
use receivers::alertmanager::Alertmanager;
use receivers::ntfy::Ntfy;
use receivers::slack::Slack;
use receivers::webhook::{SigningKey, Webhook};
use receivers::{AddressPolicy, Attempt, Message, Outcome, Outgoing, Receiver};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use testkit::{Received, TestReceiver};

const SECRETS: [&str; 2] =
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_Ok1cPcvTKSBIR5wGh7ZVQpJsjsGN3XqK"];

async fn deliver(receiver: &dyn Receiver, message: &Message) -> Outcome {
    receiver.deliver(Attempt { message, now: peers::now(), tick: SignedDuration::from_mins(5) }).await
}

fn webhook(outgoing: Outgoing, url: &str) -> Webhook {
    let keys = SECRETS.iter().map(|secret| SigningKey::parse(secret).unwrap()).collect();
    Webhook::new(Arc::new(outgoing), url.parse().unwrap(), keys)
}

fn headers(received: &Received) -> HeaderMap {
    let pairs = received
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()));
    pairs.collect()
}

#[tokio::test]
async fn a_webhook_is_verified_by_the_standards_own_library_with_either_secret() {
    let endpoint = TestReceiver::start().await;
    endpoint.answer_next([500]);
    let receiver = webhook(peers::outgoing(None), &endpoint.url("/hook"));
    let message = peers::firing(7);
    assert!(matches!(deliver(&receiver, &message).await, Outcome::Retry { .. }));
    assert_eq!(deliver(&receiver, &message).await, Outcome::Delivered);

    let received = endpoint.received();
    assert_eq!(received.len(), 2);
    for attempt in &received {
        for secret in SECRETS {
            let library = standardwebhooks::Webhook::new(secret).unwrap();
            library.verify(&attempt.body, &headers(attempt)).unwrap();
        }
        assert_eq!(attempt.header("webhook-id"), Some("00000000-0000-0000-0000-000000000007"));
    }
    let body: Value = serde_json::from_slice(&received[1].body).unwrap();
    assert_eq!(body["type"], "alert.firing");
    assert_eq!(body["data"]["device"], "gewächshaus-1");
    assert_eq!(body["data"]["value"], 31.5);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_410_is_for_good() {
    let endpoint = TestReceiver::start().await;
    endpoint.answer_next([302, 404, 410]);
    let receiver = webhook(peers::outgoing(None), &endpoint.url("/hook"));
    let message = peers::firing(7);
    assert!(matches!(deliver(&receiver, &message).await, Outcome::Retry { .. }));
    assert!(matches!(deliver(&receiver, &message).await, Outcome::Retry { .. }));
    assert!(matches!(deliver(&receiver, &message).await, Outcome::NoUse { .. }));
    assert_eq!(endpoint.received().len(), 3);
}

#[tokio::test]
async fn without_the_pipelines_leave_nothing_on_this_machine_is_reached() {
    let endpoint = TestReceiver::start().await;
    let port = endpoint.address().port();
    let message = peers::firing(7);
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/hook");
            let receiver = webhook(Outgoing::new(AddressPolicy::default(), None), &url);
            let outcome = deliver(&receiver, &message).await;
            assert!(matches!(outcome, Outcome::NoUse { .. }), "{url}: {outcome:?}");
        }
    }
    assert_eq!(endpoint.received(), []);
}

#[tokio::test]
async fn a_plain_address_is_judged_by_the_resolver_that_connects() {
    // `localhost` is a name, so that nothing but the client's own resolver sees its addresses.
    let endpoint = TestReceiver::start().await;
    let url = format!("http://localhost:{}/hook", endpoint.address().port());
    let refused = webhook(Outgoing::new(AddressPolicy::default(), None), &url);
    let outcome = deliver(&refused, &peers::firing(7)).await;
    assert!(matches!(outcome, Outcome::NoUse { .. }), "{outcome:?}");
    let allowed = webhook(peers::outgoing(None), &url);
    assert_eq!(deliver(&allowed, &peers::firing(7)).await, Outcome::Delivered);
    assert_eq!(endpoint.received().len(), 1);
}

#[tokio::test]
async fn a_connection_that_fails_is_tried_again_and_the_reason_names_no_url() {
    let url = format!("http://127.0.0.1:{}/token-in-the-path", testkit::free_port());
    let outcome = deliver(&webhook(peers::outgoing(None), &url), &peers::firing(7)).await;
    let Outcome::Retry { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("no connection") && !reason.contains("token"), "{reason}");
}

#[tokio::test]
async fn slack_is_sent_no_mark_up_from_the_outside() {
    let endpoint = TestReceiver::start().await;
    endpoint.answer_next([503]);
    let receiver =
        Slack::new(Arc::new(peers::outgoing(None)), endpoint.url("/services/T/B/x").parse().unwrap());
    let message = peers::firing(7);
    assert!(matches!(deliver(&receiver, &message).await, Outcome::Retry { .. }));
    assert_eq!(deliver(&receiver, &message).await, Outcome::Delivered);
    let body: Value = serde_json::from_slice(&endpoint.received()[1].body).unwrap();
    assert_eq!(body["text"], "[FIRING] GreenhouseTooHot: gewächshaus-1");
    for block in body["blocks"].as_array().unwrap() {
        assert_eq!(block["text"]["type"], "plain_text");
    }
    assert!(body["blocks"][1]["text"]["text"].as_str().unwrap().starts_with("it is <hot> & dry\n"));
}

#[tokio::test]
async fn only_a_refusal_of_the_message_itself_is_for_good() {
    let endpoint = TestReceiver::start().await;
    let (outgoing, url) = (Arc::new(peers::outgoing(None)), endpoint.url("/").parse::<Url>().unwrap());
    let receivers: [(&str, Box<dyn Receiver>); 3] = [
        ("slack", Box::new(Slack::new(Arc::clone(&outgoing), url.clone()))),
        ("ntfy", Box::new(Ntfy::new(Arc::clone(&outgoing), url.clone(), "greenhouse".into(), None).unwrap())),
        ("alertmanager", Box::new(Alertmanager::new(outgoing, vec![url], None))),
    ];
    let message = peers::firing(7);
    for (name, receiver) in &receivers {
        for status in [302, 401, 403, 404, 405, 407, 408, 410, 429, 500, 507] {
            endpoint.answer_next([status]);
            let outcome = deliver(&**receiver, &message).await;
            assert!(matches!(outcome, Outcome::Retry { .. }), "{name}, {status}: {outcome:?}");
        }
        for status in [400, 413, 422] {
            endpoint.answer_next([status]);
            let outcome = deliver(&**receiver, &message).await;
            assert!(matches!(outcome, Outcome::NoUse { .. }), "{name}, {status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn ntfy_is_sent_topic_priority_and_token() {
    let endpoint = TestReceiver::start().await;
    let token = Secret::new("tk_secret");
    let url = endpoint.url("/").parse().unwrap();
    let receiver =
        Ntfy::new(Arc::new(peers::outgoing(None)), url, "greenhouse".into(), Some(&token)).unwrap();
    assert_eq!(deliver(&receiver, &peers::firing(7)).await, Outcome::Delivered);
    let received = &endpoint.received()[0];
    assert_eq!((received.target.as_str(), received.header("authorization")), ("/", Some("Bearer tk_secret")));
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!((&body["topic"], &body["priority"]), (&"greenhouse".into(), &5.into()));
}
