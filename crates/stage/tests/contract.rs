//! Status codes, headers and bounds of every service, over a real socket within this process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloudevents::{AttributesReader as _, Event};
use event_model::event_types::TICK;
use event_model::{DeadLetterCause, cloudevent};
use futures_util::future::BoxFuture;
use reqwest::{Client, RequestBuilder, Response};
use runtime::{FailedEvent, KeepFailed, NotKept};
use stage::{App, Delivery, Outcome, RunningServer, ServerOptions, Settings, Stage};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Does what the event's type says.
#[derive(Default)]
struct Obedient {
    release: Arc<Notify>,
    holding: Arc<Notify>,
}

impl Stage for Obedient {
    async fn handle(&self, event: Event, delivery: Delivery) -> Outcome {
        match event.ty() {
            "reply" => {
                let mut reply = cloudevent::new("replied", "/obedient", "1");
                reply.set_extension("knativekafkaoffset", "7");
                reply.set_data(
                    "application/json",
                    delivery.trace.unwrap_or_default().traceparent.into_bytes(),
                );
                Outcome::Reply(Box::new(reply))
            }
            "loop" => Outcome::Reply(Box::new(cloudevent::new("loop", "/obedient", "1"))),
            "unsafe" => Outcome::Reply(Box::new(cloudevent::new("replied", "/obedient", "a b"))),
            "skip" => Outcome::Skip,
            "reject" => Outcome::Rejected("no use".to_owned()),
            "wait" => Outcome::Unavailable("the database is away".to_owned()),
            "flood" => Outcome::Overloaded,
            "hold" | TICK => {
                self.holding.notify_one();
                self.release.notified().await;
                Outcome::Done
            }
            "panic" => panic!("this event is poison"),
            _ => Outcome::Done,
        }
    }
}

fn start(settings: impl FnOnce(&mut Settings)) -> RunningServer {
    start_stage(Obedient::default(), settings)
}

fn start_stage(stage: Obedient, change: impl FnOnce(&mut Settings)) -> RunningServer {
    let mut options = ServerOptions::default();
    change(&mut options.settings);
    RunningServer::start(App::new().stage(stage), options).unwrap()
}

/// Keeps what it is given, or answers as a database does that is away or takes no such row.
#[derive(Clone, Default)]
struct Keeper {
    kept: Arc<Mutex<Vec<FailedEvent>>>,
    fails: Option<NotKept>,
}

impl KeepFailed for Keeper {
    fn keep(&self, failed: FailedEvent) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async move {
            self.kept.lock().unwrap().push(failed);
            self.fails.clone().map_or(Ok(()), Err)
        })
    }
}

fn start_with(keeper: &Keeper, change: impl FnOnce(&mut Settings)) -> RunningServer {
    let mut options = ServerOptions::default();
    change(&mut options.settings);
    let app = App::new().stage(Obedient::default()).keeping(keeper.clone());
    RunningServer::start(app, options).unwrap()
}

fn client() -> Client {
    runtime::http_client(&runtime::ClientOptions::default()).unwrap()
}

fn event(server: &RunningServer, event_type: &str) -> RequestBuilder {
    client()
        .post(server.url())
        .header("ce-specversion", "1.0")
        .header("ce-id", "1")
        .header("ce-source", "/test")
        .header("ce-type", event_type)
}

fn field<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn each_outcome_has_its_status_and_no_success_has_a_text() {
    let server = start(|_| {});
    for (event_type, status) in [
        ("reply", 200),
        ("done", 202),
        ("skip", 202),
        ("reject", 422),
        ("loop", 422),
        ("unsafe", 422),
        ("panic", 422),
        ("wait", 503),
        ("flood", 429),
        ("done", 202),
    ] {
        let answer = event(&server, event_type).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{event_type}");
        assert_eq!(answer.headers().contains_key("retry-after"), matches!(status, 429 | 503), "{event_type}");
        if status == 202 {
            assert_eq!(answer.bytes().await.unwrap(), "", "{event_type}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_fails_for_its_own_sake_is_kept_and_done_with() {
    let keeper = Keeper::default();
    let server = start_with(&keeper, |_| {});
    for event_type in ["reject", "panic", "loop"] {
        let request = event(&server, event_type).header("ce-knativekafkaoffset", "41").body("data");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202, "{event_type}");
        assert_eq!(answer.bytes().await.unwrap(), "", "{event_type}");
    }
    assert_eq!(event(&server, "wait").send().await.unwrap().status().as_u16(), 503);
    let kept = std::mem::take(&mut *keeper.kept.lock().unwrap());
    let types: Vec<_> = kept.iter().map(|failed| (failed.event.ty(), failed.cause)).collect();
    assert_eq!(types, ["reject", "panic", "loop"].map(|name| (name, DeadLetterCause::Rejected)));
    assert_eq!(kept[0].reason, "no use");
    let data = kept[0].event.data().cloned().map(|data| Vec::<u8>::try_from(data).unwrap());
    assert_eq!(data.as_deref(), Some(&b"data"[..]));
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_tried_again_where_the_database_is_away_and_refused_where_it_refuses() {
    for (fails, status) in
        [(NotKept::Unavailable("away".to_owned()), 503), (NotKept::Refused("too long".to_owned()), 422)]
    {
        let keeper = Keeper { fails: Some(fails), ..Keeper::default() };
        let server = start_with(&keeper, |_| {});
        for event_type in ["reject", "panic"] {
            assert_eq!(event(&server, event_type).send().await.unwrap().status().as_u16(), status);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn what_is_not_done_in_time_is_kept_to_be_sent_back_and_a_hint_is_not() {
    let keeper = Keeper::default();
    let server = start_with(&keeper, |settings| settings.delivery_timeout = Duration::from_millis(200));
    assert_eq!(event(&server, "hold").send().await.unwrap().status().as_u16(), 202);
    assert_eq!(event(&server, TICK).send().await.unwrap().status().as_u16(), 503);
    let kept = std::mem::take(&mut *keeper.kept.lock().unwrap());
    let kept: Vec<_> = kept.iter().map(|failed| (failed.event.ty(), failed.cause)).collect();
    assert_eq!(kept, [("hold", DeadLetterCause::Unavailable)]);
    server.stop().await;
}

#[tokio::test]
async fn a_reply_is_one_binary_event_with_the_causes_key_and_trace() {
    let server = start(|_| {});
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let request = event(&server, "reply")
        .header("ce-partitionkey", "device-7")
        .header("ce-knativekafkaoffset", "41")
        .header("traceparent", parent.clone());
    let answer = request.send().await.unwrap();
    assert_eq!(field(&answer, "ce-type"), Some("replied"));
    assert_eq!(field(&answer, "ce-partitionkey"), Some("device-7"));
    assert_eq!(field(&answer, "ce-knativekafkaoffset"), None);
    assert_eq!(field(&answer, "content-type"), Some("application/json"));
    assert!(field(&answer, "traceparent").is_some_and(|value| value.starts_with(&format!("00-{TRACE}-"))));
    let told = answer.text().await.unwrap();
    assert!(told.starts_with(&format!("00-{TRACE}-")), "the stage was told {told}");
    server.stop().await;
}

#[tokio::test]
async fn a_structured_event_is_taken_and_a_batch_is_not() {
    let server = start(|_| {});
    let text = r#"{"specversion":"1.0","id":"1","source":"/test","type":"skip"}"#;
    for (content_type, body, status) in [
        ("application/cloudevents+json; charset=utf-8", text.to_owned(), 202),
        ("Application/CloudEvents+JSON", text.to_owned(), 202),
        ("application/cloudevents+json", text.replace("\"1\"", "\"\""), 400),
        ("application/cloudevents-batch+json", format!("[{text}]"), 400),
        ("application/json", text.to_owned(), 400),
    ] {
        let request = client().post(server.url()).header("content-type", content_type).body(body);
        assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{content_type}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_health_checks_and_events_are_answered() {
    let server = start(|_| {});
    for (method, path, status) in
        [("GET", "/healthz", 200), ("GET", "/readyz", 200), ("GET", "/", 405), ("POST", "/elsewhere", 400)]
    {
        let url = format!("{}{path}", server.url());
        let answer = client().request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_event_above_the_bound_is_refused_and_one_at_it_is_not() {
    let server = start(|settings| settings.max_event_bytes = 2048);
    for (length, status) in [(2048, 202), (2049, 413)] {
        let answer = event(&server, "done").body(vec![0; length]).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{length}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_event_whose_body_does_not_arrive_is_cut_off_and_tried_again() {
    let server = start(|settings| settings.body_timeout = Duration::from_millis(50));
    for (reason, body) in [
        ("the body arrived too slowly", "content-length: 9\r\n\r\nabc"),
        ("the body ended early", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nno length\r\n"),
    ] {
        let mut socket = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        let request = format!("POST / HTTP/1.1\r\nhost: x\r\n{body}");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let answer = answer.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 503"), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.ends_with(reason), "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_and_a_body_behind_an_answer_are_cut_off() {
    let server = start(|settings| settings.body_timeout = Duration::from_millis(300));
    for head in [
        "",
        "POST / HTTP/1.1\r\n",
        "DELETE / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        "POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    ] {
        let mut connection = TcpStream::connect(server.address()).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(20), connection.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "still open after {head:?}: {}", String::from_utf8_lossy(&answer));
    }
    server.stop().await;
}

#[tokio::test]
async fn more_events_at_once_than_the_bound_are_refused_until_one_is_done() {
    let stage = Obedient::default();
    let (release, holding) = (Arc::clone(&stage.release), Arc::clone(&stage.holding));
    let server = start_stage(stage, |settings| settings.max_in_flight = 1);
    let held = tokio::spawn(event(&server, "hold").send());
    holding.notified().await;
    let answer = event(&server, "done").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), field(&answer, "retry-after")), (429, Some("1")));
    release.notify_one();
    assert_eq!(held.await.unwrap().unwrap().status().as_u16(), 202);
    assert_eq!(event(&server, "done").send().await.unwrap().status().as_u16(), 202);
    server.stop().await;
}

#[tokio::test]
async fn a_service_knows_of_what_is_refused_before_it_and_probes_are_answered() {
    let refused = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&refused);
    let app = App::new().stage(Obedient::default());
    let app = app.on_refused(move |request| noted.lock().unwrap().push(request.path().to_owned()));
    let mut options = ServerOptions::default();
    options.settings.max_in_flight = 0;
    let server = RunningServer::start(app, options).unwrap();
    assert_eq!(event(&server, "done").send().await.unwrap().status().as_u16(), 429);
    for probe in ["/healthz", "/readyz"] {
        let answer = client().get(format!("{}{probe}", server.url())).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{probe}");
    }
    assert_eq!(*refused.lock().unwrap(), ["/"]);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_flight_and_not_for_idle_connections() {
    let stage = Obedient::default();
    let (release, holding) = (Arc::clone(&stage.release), Arc::clone(&stage.holding));
    let server = start_stage(stage, |_| {});
    let idle = client();
    idle.get(format!("{}/readyz", server.url())).send().await.unwrap();
    let held = tokio::spawn(event(&server, "hold").send());
    holding.notified().await;
    let stopping = tokio::spawn(server.stop());
    release.notify_one();
    assert_eq!(held.await.unwrap().unwrap().status().as_u16(), 202);
    tokio::time::timeout(Duration::from_secs(5), stopping).await.unwrap().unwrap();
}
