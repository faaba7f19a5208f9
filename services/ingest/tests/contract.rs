//! What `ingest` answers, and what it queues.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write as _;
use std::time::Duration;

use cloudevents::AttributesReader as _;
use event_model::cloudevent;
use serde_json::Value;
use support::{MAX_BODY, NOW, SENML, World};

const YAML: &str = "
sources:
  open: {format: senml_json}
  lines: {format: influx_line_protocol}
  station: {format: ecowitt}
  slow: {format: senml_json, rate: 2/m}
  collector: {format: otlp_metrics}
";

#[tokio::test]
async fn an_accepted_request_is_queued_as_it_came() {
    let world = World::start(YAML);
    let request = world
        .post("/hooks/open/anything?precision=ms&x=a%20b")
        .header("x-forwarded-for", "192.0.2.7")
        .header("user-agent", "thing/1.0");
    assert_eq!(world.status(request).await, 202);
    let (event, recorded) = world.queue.one();
    assert_eq!(event.ty(), "dev.freshet.payload.received.v1");
    assert_eq!(event.source(), "/sources/open");
    assert_eq!(event.datacontenttype(), Some("application/http"));
    assert_eq!(cloudevent::time(&event), Some(NOW.parse().unwrap()));
    assert_eq!(cloudevent::extension(&event, "payloadformat").as_deref(), Some("senml_json"));
    assert!(cloudevent::extension(&event, "partitionkey").is_some());
    let own = pipeline_config::Pipeline::parse(YAML, "freshet.yaml").unwrap();
    assert_eq!(cloudevent::extension(&event, "pipelinehash").as_deref(), Some(own.short_hash()));
    assert_eq!(cloudevent::first_unsafe_attribute(&event), None);
    assert_eq!(recorded.target(), "/hooks/open/anything?precision=ms&x=a%20b");
    assert_eq!(recorded.headers, [("content-type".to_owned(), "application/senml+json".to_owned())]);
    assert_eq!(recorded.body, SENML.as_bytes());
    world.stop().await;
}

#[tokio::test]
async fn success_has_the_status_that_the_platform_wants() {
    let world = World::start(YAML);
    let line = world.request("POST", "/hooks/lines/api/v2/write?bucket=b").body("weather,host=a temp=1 1");
    assert_eq!(world.status(line).await, 204);
    let upload = world
        .request("POST", "/hooks/station/data/report/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("PASSKEY=0123456789ABCDEF0123456789ABCDEF&dateutc=2026-01-15+11:59:00&tempf=70.1");
    assert_eq!(world.status(upload).await, 200);
    assert_eq!(world.queue.take().len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_sender_that_reads_the_answer_gets_its_body_in_its_own_encoding() {
    let world = World::start(YAML);
    for (content_type, sent, answered) in
        [("application/json", r#"{"resourceMetrics":[]}"#, "{}"), ("application/x-protobuf", "\n\0", "")]
    {
        let request = world.request("POST", "/hooks/collector/v1/metrics");
        let answer = request.header("content-type", content_type).body(sent).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], content_type);
        assert_eq!(answer.text().await.unwrap(), answered);
    }
    assert_eq!(world.queue.take().len(), 2);
    let large = world.request("POST", "/hooks/collector/v1/metrics").body(vec![b' '; MAX_BODY + 1]);
    let answer = large.send().await.unwrap();
    assert_eq!(answer.status(), 413);
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("send_batch_max_size"), "{problem}");
    world.stop().await;
}

#[tokio::test]
async fn what_is_not_taken_is_a_problem_with_its_status() {
    let world = World::start(YAML);
    let json = "application/senml+json";
    let cases = [
        ("POST", "/hooks/open", json, "{", 400),
        ("POST", "/hooks/open", "image/png", SENML, 415),
        ("POST", "/hooks/nobody", json, SENML, 404),
        ("POST", "/elsewhere", json, SENML, 404),
        ("DELETE", "/hooks/open", json, SENML, 405),
        ("GET", "/hooks/open", json, "", 405),
    ];
    for (method, path, content_type, body, status) in cases {
        let request = world.request(method, path).header("content-type", content_type).body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path} {content_type}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{method} {path}");
        let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string());
    }
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_taken_while_the_sink_is_down() {
    let world = World::start(YAML);
    for status in [503, 400] {
        world.queue.answers(status);
        let answer = world.post("/hooks/open").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 503, "the sink answered {status}");
        assert!(answer.headers().contains_key("retry-after"));
    }
    world.queue.answers(202);
    assert_eq!(world.status(world.post("/hooks/open")).await, 202);
    assert_eq!(world.queue.take().len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_source_above_its_rate_waits() {
    let world = World::start(YAML);
    assert_eq!(world.status(world.post("/hooks/slow")).await, 202);
    assert_eq!(world.status(world.post("/hooks/slow")).await, 202);
    let answer = world.post("/hooks/slow").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()), (429, &b"30"[..]));
    assert_eq!(world.status(world.post("/hooks/open")).await, 202);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.status(world.post("/hooks/slow")).await, 202);
    world.stop().await;
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_body_is_queued_as_it_was_before() {
    let world = World::start(YAML);
    let body = SENML.as_bytes();
    for (coding, sent) in [
        ("gzip", gzip(body)),
        ("X-GZip", gzip(body)),
        ("deflate", zlib(body)),
        ("deflate", raw_deflate(body)),
        ("identity", body.to_vec()),
    ] {
        let request = world.post("/hooks/open").header("content-encoding", coding).body(sent);
        assert_eq!(world.status(request).await, 202, "{coding}");
        let (_, recorded) = world.queue.one();
        assert_eq!(recorded.body, body, "{coding}");
        assert_eq!(recorded.header("content-encoding"), None);
    }
    world.stop().await;
}

#[tokio::test]
async fn bodies_have_a_bound_before_and_after_decompression() {
    let world = World::start(YAML);
    let padded = |length: usize| format!("{SENML}{}", " ".repeat(length - SENML.len())).into_bytes();
    let post =
        |coding: &str, body: Vec<u8>| world.post("/hooks/open").header("content-encoding", coding).body(body);
    assert_eq!(world.status(post("identity", padded(MAX_BODY))).await, 202);
    assert_eq!(world.status(post("identity", padded(MAX_BODY + 1))).await, 413);
    assert_eq!(world.status(post("gzip", gzip(&padded(MAX_BODY)))).await, 202);
    assert_eq!(world.status(post("gzip", gzip(&padded(MAX_BODY + 1)))).await, 413);
    assert_eq!(world.status(post("gzip", gzip(&vec![0; 50_000_000]))).await, 413);
    assert_eq!(world.status(post("gzip", SENML.into())).await, 400);
    assert_eq!(world.status(post("gzip", gzip(SENML.as_bytes())[..20].to_vec())).await, 400);
    assert_eq!(world.status(post("br", SENML.into())).await, 415);
    assert_eq!(world.status(post("gzip, gzip", gzip(&gzip(SENML.as_bytes())))).await, 415);
    world.stop().await;
}

/// Sends `bytes` on a connection of its own, and reads until it is closed.
async fn raw(world: &World, bytes: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(world.address()).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), socket.read_to_string(&mut answer)).await;
    assert!(closed.is_ok(), "the connection was left open after: {answer}");
    answer
}

#[tokio::test]
async fn a_body_that_is_slow_endless_or_of_no_length_is_cut_off() {
    let world = World::waiting(YAML, Duration::from_millis(200));
    let head = "POST /hooks/open HTTP/1.1\r\nhost: x\r\ncontent-type: application/senml+json\r\n";
    let slow = raw(&world, &format!("{head}content-length: 100\r\n\r\n[")).await;
    assert!(slow.starts_with("HTTP/1.1 400"), "{slow}");
    let silent = raw(&world, &format!("{head}\r\n")).await;
    assert!(silent.starts_with("HTTP/1.1 411"), "{silent}");
    let socket =
        raw(&world, &format!("{head}upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 3\r\n\r\n"))
            .await;
    assert!(socket.starts_with("HTTP/1.1 400") && socket.contains("WebSocket"), "{socket}");
    let announced = raw(&world, &format!("{head}content-length: 999999999\r\n\r\n[")).await;
    assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
    let chunk = format!("{:x}\r\n{}\r\n", MAX_BODY, " ".repeat(MAX_BODY));
    let endless = raw(&world, &format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}")).await;
    assert!(endless.starts_with("HTTP/1.1 413"), "{endless}");
    assert!(world.queue.take().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_webhook_of_cloudevents_may_ask_whether_it_is_welcome() {
    let world = World::start(YAML);
    let request =
        world.request("OPTIONS", "/hooks/open").header("webhook-request-origin", "eventgrid.azure.net");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["webhook-allowed-origin"], "eventgrid.azure.net");
    assert_eq!(answer.headers()["webhook-allowed-rate"], "*");
    assert_eq!(answer.headers()["allow"], "POST");
    let request = world.request("OPTIONS", "/hooks/slow").header("webhook-request-origin", "example.com");
    assert_eq!(request.send().await.unwrap().headers()["webhook-allowed-rate"], "2");
    assert_eq!(world.status(world.request("OPTIONS", "/hooks/nobody")).await, 404);
    world.stop().await;
}

#[tokio::test]
async fn the_stages_that_a_request_needs_are_woken_once_while_it_is_queued() {
    let transform = testkit::TestReceiver::start().await;
    let alert = testkit::TestReceiver::start().await;
    let yaml = "
sources:
  open: {format: senml_json}
rules:
  TooHot: {metric: temperature, above: 30}
receivers:
  ops: {webhook: {url: 'https://hooks.example.com/x'}}
";
    let environment = [("PREWARM_URLS", transform.url("")), ("PREWARM_WATCHED_URLS", alert.url(""))];
    let environment = environment.each_ref().map(|(name, url)| (*name, url.as_str()));
    let world = World::start_with(yaml, &environment);
    let malformed = world.request("POST", "/hooks/open").header("content-type", "application/senml+json");
    assert_eq!(world.status(malformed.body("{")).await, 400);
    for _ in 0..3 {
        assert_eq!(world.status(world.post("/hooks/open")).await, 202);
    }
    for stage in [&transform, &alert] {
        testkit::eventually(Duration::from_secs(10), || async { !stage.received().is_empty() }).await;
        let paths: Vec<_> = stage.received().into_iter().map(|request| request.target).collect();
        assert_eq!(paths, ["/healthz"]);
    }
    world.stop().await;
}

#[tokio::test]
async fn an_address_where_nobody_answers_fails_no_request() {
    let dead = format!("http://127.0.0.1:{}", testkit::free_port());
    let world = World::start_with(YAML, &[("PREWARM_URLS", &dead), ("PREWARM_WATCHED_URLS", &dead)]);
    for _ in 0..3 {
        assert_eq!(world.status(world.post("/hooks/open")).await, 202);
    }
    assert_eq!(world.queue.take().len(), 3);
    world.stop().await;
}
