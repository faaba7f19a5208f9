//! The HTTP sink against a server whose answers the test sets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use event_model::cloudevent;
use runtime::Env;
use runtime::trace::TraceContext;
use sink::{HttpSink, Sink as _, SinkError};
use stage::{App, RunningServer, ServerOptions};

type Taken = Arc<Mutex<Vec<(Vec<(String, String)>, Vec<u8>)>>>;

/// `POST /<status>` is answered with that status.
fn broker() -> (RunningServer, Taken) {
    let taken = Taken::default();
    let keep = Arc::clone(&taken);
    let app = App::new().routes(move |config| {
        let keep = Arc::clone(&keep);
        config.route(
            "/{status}",
            web::post().to(move |status: web::Path<u16>, request: HttpRequest, body: web::Bytes| {
                let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
                let headers =
                    request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                keep.lock().unwrap().push((headers, body.to_vec()));
                let status = StatusCode::from_u16(*status).unwrap();
                async move { HttpResponse::build(status).finish() }
            }),
        );
    });
    (RunningServer::start(app, ServerOptions::default()).unwrap(), taken)
}

fn sink_to(url: &str) -> HttpSink {
    let overrides = r#"{"extensions": {"site": "north"}}"#;
    HttpSink::from_env(&mut Env::from_pairs(&[("K_SINK", url), ("K_CE_OVERRIDES", overrides)])).unwrap()
}

#[tokio::test]
async fn an_event_goes_out_in_binary_mode_with_its_overrides_and_trace() {
    let (broker, taken) = broker();
    let mut event = cloudevent::new("t", "/s", "1");
    event.set_data("application/http", b"GET / HTTP/1.1\r\n\r\n".to_vec());
    let trace = TraceContext { traceparent: "00-a-b-01".into(), tracestate: Some("vendor=1".into()) };
    sink_to(&format!("{}/202", broker.url())).send(&event, Some(&trace)).await.unwrap();

    let (headers, body) = taken.lock().unwrap().pop().unwrap();
    let mut read = cloudevent::from_binary(
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())),
        body.as_slice(),
    )
    .unwrap();
    assert_eq!(cloudevent::extension(&read, "site").as_deref(), Some("north"));
    read.remove_extension("site");
    assert_eq!(read, event);
    for (name, value) in trace.fields() {
        assert!(headers.contains(&(name.to_owned(), value.to_owned())), "{headers:?}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn a_credential_in_the_address_is_sent_and_not_logged() {
    let (broker, taken) = broker();
    let sink = sink_to(&format!("{}/202", broker.url()).replace("://", "://us%20er:s3cret@"));
    sink.send(&cloudevent::new("t", "/s", "1"), None).await.unwrap();
    let (headers, _) = taken.lock().unwrap().pop().unwrap();
    assert!(
        headers.contains(&("authorization".to_owned(), "Basic dXMgZXI6czNjcmV0".to_owned())),
        "{headers:?}"
    );
    assert!(!format!("{sink:?}").contains("s3cret") && !format!("{sink:?}").contains("czNjcmV0"));
    broker.stop().await;
}

#[tokio::test]
async fn a_refusal_is_final_and_anything_else_may_pass_later() {
    let (broker, _) = broker();
    let event = cloudevent::new("t", "/s", "1");
    for (status, is_final) in
        [(400, true), (413, true), (302, true), (404, false), (429, false), (503, false)]
    {
        let error = sink_to(&format!("{}/{status}", broker.url())).send(&event, None).await.unwrap_err();
        let refused = format!("it answered {status}");
        assert_eq!(
            matches!(error, SinkError::Refused(ref reason) if *reason == refused),
            is_final,
            "{status}"
        );
    }
    let url = format!("{}/202", broker.url());
    broker.stop().await;
    let error = sink_to(&url).send(&event, None).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(..)), "{error}");
}

#[test]
fn a_sink_without_an_address_is_a_mistake() {
    let mut env = Env::from_pairs(&[]);
    assert!(HttpSink::from_env(&mut env).is_none());
    assert_eq!(env.finish().unwrap_err().to_string(), "K_SINK: is not set");
}
