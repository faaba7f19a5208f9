//! Who is let in, and that nothing of what they showed goes further.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use cloudevents::AttributesReader as _;
use event_model::{cloudevent, hex};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::RequestBuilder;
use sha2::Sha256;
use support::{SECRETS, SENML, World};

const YAML: &str = "
sources:
  header: {format: senml_json, credentials: [{header: X-Api-Key, secret: {env: SECRET}}]}
  bearer: {format: senml_json, credentials: [{bearer: {env: SECRET}}]}
  basic: {format: senml_json, credentials: [{basic: {user: ann, password: {env: SECRET}}}]}
  query: {format: senml_json, credentials: [{query: key, secret: {env: SECRET}}]}
  path: {format: senml_json, credentials: [{path: true, secret: {env: SECRET}}]}
  hex: {format: senml_json, credentials: [{hmac: {header: X-Signature, prefix: sha256=, secret: {env: SIGNING_SECRET}}}]}
  base64: {format: senml_json, credentials: [{hmac: {header: X-Signature, encoding: base64, secret: {env: SIGNING_SECRET}}}]}
  standard: {format: senml_json, credentials: [{standard_webhooks: {secret: {env: WEBHOOK_SECRET}}}]}
  rotating:
    format: senml_json
    credentials:
      - {bearer: {env: OLD_SECRET}}
      - {bearer: {env: SECRET}}
      - {hmac: {header: X-Signature, secret: {env: SIGNING_SECRET}}}
";

fn hmac(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

/// `SENML` signed with the secret of the sources that check an HMAC.
fn signature() -> Vec<u8> {
    hmac(b"open sesame of the cave", SENML.as_bytes())
}

/// `SENML` signed after Standard Webhooks.
fn signed(request: RequestBuilder, prefix: &str, id: &str, timestamp: i64) -> RequestBuilder {
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signature = STANDARD.encode(hmac(&key, format!("{id}.{timestamp}.{SENML}").as_bytes()));
    request
        .header(format!("{prefix}-id"), id)
        .header(format!("{prefix}-timestamp"), timestamp)
        .header(format!("{prefix}-signature"), format!("v1a,bm9uZQ== v1,AAAA v1,{signature}"))
}

#[tokio::test]
async fn each_kind_of_credential_lets_in_and_leaves_nothing_behind() {
    let world = World::start(YAML);
    let login = STANDARD.encode("ann:open sesame");
    let now = world.clock.now().as_second();
    let good = [
        world.post("/hooks/header").header("x-api-key", "open sesame"),
        world.post("/hooks/bearer").header("authorization", "Bearer open sesame"),
        world.post("/hooks/bearer").header("authorization", "Token open sesame"),
        world.post("/hooks/basic").header("authorization", format!("basic {login}")),
        world.post("/hooks/query?precision=s&key=open+sesame"),
        world.post("/hooks/query?k%65y=open%20sesame"),
        world.post("/hooks/path/open%20sesame"),
        world.post("/hooks/path/open%20sesame/api/v2/write"),
        world.post("/hooks/hex").header("x-signature", format!("sha256={}", hex(&signature()))),
        world
            .post("/hooks/hex")
            .header("x-signature", format!("sha256={}", hex(&signature()).to_uppercase())),
        world.post("/hooks/hex").header("x-signature", format!("sha256=00, sha256={}", hex(&signature()))),
        world.post("/hooks/base64").header("x-signature", STANDARD.encode(signature())),
        world.post("/hooks/base64").header("x-signature", STANDARD_NO_PAD.encode(signature())),
        signed(world.post("/hooks/standard"), "webhook", "msg_1", now),
        signed(world.post("/hooks/standard"), "svix", "msg_1", now + 299),
        world.post("/hooks/rotating").header("authorization", "Bearer open sesame"),
        world.post("/hooks/rotating").header("authorization", "Bearer 0ld-s3cret"),
        world.post("/hooks/rotating").header("x-signature", hex(&signature())),
    ];
    for request in good {
        let shown = format!("{:?}", request.try_clone().unwrap().build().unwrap().url().path());
        assert_eq!(world.status(request).await, 202, "{shown}");
        let (event, recorded) = world.queue.one();
        let everything = format!("{:?} {}", event, String::from_utf8(recorded.to_bytes()).unwrap());
        let hidden = ["sesame", "s3cret", "MfKQ9", "authorization", "signature", &login, &hex(&signature())];
        for credential in hidden.iter().chain(SECRETS.map(|(_, secret)| secret).iter()) {
            assert!(
                !everything.to_lowercase().contains(&credential.to_lowercase()),
                "{credential} in {everything}"
            );
        }
        assert!(
            recorded.path.starts_with("/hooks/") && !recorded.query.contains("ey="),
            "{}",
            recorded.target()
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let world = World::start(YAML);
    let now = world.clock.now().as_second();
    let wrong_user = STANDARD.encode("bob:open sesame");
    let bad = [
        world.post("/hooks/header"),
        world.post("/hooks/header").header("x-api-key", "open sesam"),
        world.post("/hooks/header").header("x-api-key", ""),
        world.post("/hooks/bearer").header("authorization", "open sesame"),
        world.post("/hooks/bearer").header("authorization", "Basic open sesame"),
        world.post("/hooks/basic").header("authorization", format!("Basic {wrong_user}")),
        world.post("/hooks/basic").header("authorization", "Basic !!"),
        world.post("/hooks/query?key="),
        world.post("/hooks/query?Key=open+sesame"),
        world.post("/hooks/path"),
        world.post("/hooks/path/open+sesame"),
        world.post("/hooks/hex").header("x-signature", hex(&signature())),
        world.post("/hooks/hex").header("x-signature", "sha256="),
        world.post("/hooks/hex").header("x-signature", format!("sha256={}", &hex(&signature())[..32])),
        world.post("/hooks/hex").header("x-signature", format!("sha256={}", hex(&signature()))).body("[]"),
        world.post("/hooks/base64").header("x-signature", hex(&signature())),
        signed(world.post("/hooks/standard"), "webhook", "msg_1", now - 301),
        signed(world.post("/hooks/standard"), "webhook", "msg_1", now + 301),
        signed(world.post("/hooks/standard"), "webhook", "msg_1", now).body("[ ]"),
        signed(world.post("/hooks/standard"), "other", "msg_1", now),
        world
            .post("/hooks/rotating")
            .header("authorization", "Bearer whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ];
    for (case, request) in bad.into_iter().enumerate() {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401, "case {case}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("sesam"), "{text}");
    }
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn the_signed_id_of_a_webhook_names_its_event() {
    let world = World::start(YAML);
    let now = world.clock.now().as_second();
    let mut ids = Vec::new();
    for timestamp in [now, now + 60] {
        assert_eq!(
            world.status(signed(world.post("/hooks/standard"), "webhook", "msg_1", timestamp)).await,
            202
        );
        ids.push(world.queue.one().0.id().to_owned());
    }
    assert!(ids[0].starts_with("msg_1-"), "{ids:?}");
    assert_eq!(ids[0], ids[1]);
    world.stop().await;
}

#[tokio::test]
async fn a_handshake_needs_the_whole_address_where_the_secret_is_in_it() {
    let world = World::start(YAML);
    for (path, status) in [
        ("/hooks/query", 401),
        ("/hooks/query?key=open+sesame", 200),
        ("/hooks/path", 401),
        ("/hooks/path/open%20sesame", 200),
        ("/hooks/bearer", 200),
    ] {
        let request = world.request("OPTIONS", path).header("webhook-request-origin", "example.com");
        assert_eq!(world.status(request).await, status, "{path}");
    }
    world.stop().await;
}

#[tokio::test]
async fn the_key_of_a_weather_station_goes_no_further() {
    let world = World::start("sources: {station: {format: ecowitt}}");
    let passkey = "0123456789ABCDEF0123456789ABCDEF";
    let request = world
        .request("POST", "/hooks/station")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("PASSKEY={passkey}&dateutc=2026-01-15+11:59:00&tempf=70.1"));
    assert_eq!(world.status(request).await, 200);
    let (event, recorded) = world.queue.one();
    let everything = format!("{event:?} {}", String::from_utf8(recorded.to_bytes()).unwrap());
    assert!(!everything.to_uppercase().contains(passkey), "{everything}");
    assert!(cloudevent::extension(&event, "partitionkey").is_some());
    world.stop().await;
}
