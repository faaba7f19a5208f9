//! Section 1: what the ingress takes, and its status codes.

use knative_local::Rule;

use crate::setup::{Event, Setup, rules, start};

const EVENT: [(&str, &str); 4] =
    [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/a"), ("ce-type", "test.asked")];

async fn status(setup: &Setup, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> u16 {
    let mut request = setup.client.post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_posts_of_events_to_the_broker_are_taken() {
    let setup = Setup::new();
    let running = start(setup.config()).await;
    let url = running.broker_url();
    let root = url.strip_suffix("/default/default").unwrap().to_owned();
    let get =
        async |path: &str| setup.client.get(format!("{root}{path}")).send().await.unwrap().status().as_u16();
    assert_eq!(get("/healthz").await, 200);
    assert_eq!(get("/readyz").await, 200);
    assert_eq!(get("/default/default").await, 405);
    assert_eq!(get("/nowhere").await, 405);
    assert_eq!(status(&setup, &format!("{root}/nowhere"), &EVENT, vec![]).await, 404);
    assert_eq!(status(&setup, &format!("{url}/"), &EVENT, vec![]).await, 202);
    let probe = setup.client.get(&url).header("k-network-probe", "probe").header("k-network-hash", "h");
    let answer = probe.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["k-network-hash"], "h");
    assert!(running.violations().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_mode_is_checked_strictly() {
    let setup = Setup::new();
    let running = start(setup.config()).await;
    let url = running.broker_url();
    for missing in EVENT {
        let headers: Vec<_> = EVENT.into_iter().filter(|header| *header != missing).collect();
        assert_eq!(status(&setup, &url, &headers, vec![]).await, 400, "without {}", missing.0);
    }
    for bad in [
        ("ce-Some-Name", "x"),
        ("ce-time", "yesterday"),
        ("content-type", "application/cloudevents-batch+json"),
        ("content-type", "application/cloudevents+avro"),
    ] {
        let headers = [&EVENT[..], &[bad]].concat();
        assert_eq!(status(&setup, &url, &headers, b"[]".to_vec()).await, 400, "{bad:?}");
    }
    let mut headers = EVENT.to_vec();
    headers[2].1 = "a b|c";
    assert_eq!(status(&setup, &url, &headers, vec![]).await, 400, "a source that Java refuses");
    let answer = setup.client.post(&url).body("text").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.bytes().await.unwrap().is_empty());
    assert_eq!(running.stats().accepted, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn structured_mode_is_taken_and_a_number_as_key_looks_like_a_failure() {
    let setup = Setup::new();
    let running = start(setup.config()).await;
    let url = running.broker_url();
    let content_type = [("content-type", "application/cloudevents+json; charset=UTF-8")];
    let event = |more: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t"{more}}}"#);
    assert_eq!(status(&setup, &url, &content_type, event("").into_bytes()).await, 202);
    assert_eq!(status(&setup, &url, &content_type, event(r#","partitionkey":7"#).into_bytes()).await, 503);
    assert_eq!(status(&setup, &url, &content_type, b"{".to_vec()).await, 400);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_headers_are_431_and_large_records_503() {
    let setup = Setup::new();
    let running = start(setup.config()).await;
    let url = running.broker_url();
    let long = "x".repeat(8192);
    assert_eq!(status(&setup, &url, &[&EVENT[..], &[("x-long", &long)]].concat(), vec![]).await, 431);
    assert_eq!(status(&setup, &format!("{url}?{}", "q".repeat(4100)), &EVENT, vec![]).await, 414);
    assert_eq!(status(&setup, &url, &EVENT, vec![b'x'; 1_040_000]).await, 202);
    assert_eq!(status(&setup, &url, &EVENT, vec![b'x'; 1_048_576]).await, 503);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_that_a_broker_would_mangle_are_noted() {
    let setup = Setup::new();
    let running = start(setup.config()).await;
    let event = Event { headers: &[("ce-subject", "a%20b")], ..Event::new("1") };
    assert_eq!(setup.post(&running.broker_url(), &event).await, 202);
    assert_eq!(rules(&running.violations()), [Rule::AttributesAreSafe]);
    running.stop().await;
}
