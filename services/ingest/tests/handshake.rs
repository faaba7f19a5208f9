//! Handshakes that come in a request's body: answered, and never queued.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ingest::Confirmer;
use runtime::{ClientOptions, http_client_builder};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use support::{NOW, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const YAML: &str = "
sources:
  grid: {format: azure_event_grid, credentials: [{query: key, secret: {env: SECRET}}]}
  aws: {format: aws_iot_http, credentials: [{query: key, secret: {env: SECRET}}]}
";
const AWS: &str = "iot.eu-central-1.amazonaws.com";

/// A server on loopback that has a certificate for Amazon's host name; the request lines it was sent; a client that
/// finds it under that name.
async fn amazon() -> (Arc<Mutex<Vec<String>>>, Confirmer) {
    let certified = rcgen::generate_simple_self_signed([AWS.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut stream = acceptor.accept(socket).await.unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            let text = String::from_utf8_lossy(&head[..length]).into_owned();
            lines.lock().unwrap().push(text.lines().next().unwrap().to_owned());
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
        }
    });
    let options = ClientOptions { extra_roots: Some(certified.cert.pem()), ..ClientOptions::default() };
    let client = http_client_builder(&options).unwrap().resolve(AWS, address).build().unwrap();
    (seen, Confirmer::with_client(client))
}

fn confirmation(url: &str) -> String {
    format!(
        r#"{{"arn":"arn:aws:iot:eu-central-1:1:ruledestination/http/x","confirmationToken":"AYAD",
            "enableUrl":"{url}","messageType":"DestinationConfirmation"}}"#
    )
}

#[tokio::test]
async fn aws_iot_is_confirmed_at_its_own_host_and_nowhere_else() {
    let (seen, confirmer) = amazon().await;
    let world = World::start_at(YAML, NOW.parse().unwrap(), Some(confirmer));
    let post = |path: &str, url: &str| {
        world
            .request("POST", path)
            .header("content-type", "application/json")
            .header("x-amz-rules-engine-message-type", "DestinationConfirmation")
            .body(confirmation(url))
    };
    let good = format!("https://{AWS}/confirmdestination/AYAD");
    assert_eq!(world.status(post("/hooks/aws", &good)).await, 401);
    assert!(seen.lock().unwrap().is_empty(), "a stranger made us fetch something");
    assert_eq!(world.status(post("/hooks/aws?key=open+sesame&confirmationToken=AYAD", &good)).await, 200);
    assert_eq!(*seen.lock().unwrap(), ["GET /confirmdestination/AYAD HTTP/1.1"]);
    for url in ["https://127.0.0.1/confirmdestination/AYAD", "http://169.254.169.254/latest/meta-data"] {
        assert_eq!(world.status(post("/hooks/aws?key=open+sesame", url)).await, 422, "{url}");
    }
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_confirmation_that_fails_may_be_asked_for_again() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client =
        http_client_builder(&ClientOptions::default()).unwrap().resolve(AWS, closed).build().unwrap();
    let world = World::start_at(YAML, NOW.parse().unwrap(), Some(Confirmer::with_client(client)));
    let request = world
        .request("POST", "/hooks/aws?key=open+sesame")
        .header("content-type", "application/json")
        .body(confirmation(&format!("https://{AWS}/confirmdestination/AYAD")));
    assert_eq!(world.status(request).await, 503);
    world.stop().await;
}

#[tokio::test]
async fn event_grid_is_answered_with_its_code() {
    let world = World::start(YAML);
    let event = r#"[{"id":"1","topic":"/t","subject":"","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime":"2026-01-15T12:00:00Z","dataVersion":"1","data":{"validationCode":"512d38b6"}}]"#;
    let post = |path: &str| {
        world
            .request("POST", path)
            .header("content-type", "application/json")
            .header("aeg-event-type", "SubscriptionValidation")
            .body(event)
    };
    assert_eq!(world.status(post("/hooks/grid")).await, 401);
    let answer = post("/hooks/grid?key=open+sesame").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), r#"{"validationResponse":"512d38b6"}"#);
    assert!(world.queue.take().is_empty());
    world.stop().await;
}
