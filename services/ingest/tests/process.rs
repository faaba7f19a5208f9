//! The binary: what it says on stdout and to a collector holds no credential.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::{TestReceiver, eventually, free_port};

const SECRET: &str = "s3cret-of-the-greenhouse";
const PASSKEY: &str = "0123456789ABCDEF0123456789ABCDEF";
const TTN_KEY: &str = "NNSXS.downlinkkey";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

const YAML: &str = "
sources:
  query: {format: senml_json, credentials: [{query: key, secret: {env: SECRET}}]}
  path: {format: senml_json, credentials: [{path: true, secret: {env: SECRET}}]}
  bearer: {format: ttn_v3, credentials: [{bearer: {env: SECRET}}]}
  station: {format: ecowitt}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_in_the_queue_the_log_or_a_trace() {
    let (sink, collector) = (TestReceiver::start().await, TestReceiver::start().await);
    sink.answer(202);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, YAML).unwrap();
    let port = free_port();
    let mut ingest = Command::new(env!("CARGO_BIN_EXE_ingest"))
        .env_clear()
        .env("PORT", port.to_string())
        .env("LISTEN_ADDRESS", "127.0.0.1")
        .env("FRESHET_PIPELINE", &file)
        .env("SECRET", SECRET)
        .env("RUST_LOG", "trace")
        .env("K_SINK", sink.url("/"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let client = runtime::http_client(&runtime::ClientOptions::default()).unwrap();
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    eventually(Duration::from_secs(10), || async { client.get(url("/readyz")).send().await }).await;

    let senml = r#"[{"bn":"gh-7:","n":"temperature","u":"Cel","v":21.5}]"#;
    let uplink = r#"{"end_device_ids":{"device_id":"gh-7","application_ids":{"application_id":"a"}},
        "uplink_message":{"f_port":1,"decoded_payload":{"temperature":21.5}}}"#;
    let json = |path: String, body: &'static str| {
        client.post(url(&path)).header("content-type", "application/json").body(body)
    };
    let statuses = [
        json(format!("/hooks/query?key={SECRET}"), senml).header("content-type", "application/senml+json"),
        json(format!("/hooks/query?key={SECRET}"), "{"),
        json(format!("/hooks/query?key=wrong-{SECRET}"), senml),
        json(format!("/hooks/path/{SECRET}"), senml),
        json(format!("/hooks/nobody/{SECRET}"), senml),
        json("/hooks/bearer".to_owned(), uplink)
            .bearer_auth(SECRET)
            .header("x-downlink-apikey", TTN_KEY)
            .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
            .header("tracestate", "vendor=1"),
        client
            .post(url("/hooks/station"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("PASSKEY={PASSKEY}&dateutc=2026-01-15+11:59:00&tempf=70.1")),
    ]
    .map(|request| async { request.send().await.unwrap().status().as_u16() });
    let mut answered = Vec::new();
    for status in statuses {
        answered.push(status.await);
    }
    assert_eq!(answered[1..5], [400, 401, 202, 404], "{answered:?}");

    let pid = nix::unistd::Pid::from_raw(i32::try_from(ingest.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let mut log = String::new();
    ingest.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(ingest.wait().unwrap().code(), Some(0));

    let mut everything = log.clone().into_bytes();
    for received in sink.received().iter().chain(&collector.received()) {
        everything.extend(format!("{received:?}").into_bytes());
        everything.extend(&received.body);
    }
    for secret in [SECRET, PASSKEY, TTN_KEY] {
        let found =
            everything.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()));
        assert!(!found, "{secret} was passed on; the log:\n{log}");
    }
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    let uplink =
        sink.received().into_iter().find(|received| received.header("ce-source") == Some("/sources/bearer"));
    let uplink = uplink.unwrap();
    assert!(uplink.header("traceparent").unwrap().starts_with(&format!("00-{TRACE}-")));
    assert_eq!(uplink.header("ce-traceparent"), uplink.header("traceparent"));
    assert_eq!([uplink.header("tracestate"), uplink.header("ce-tracestate")], [Some("vendor=1"); 2]);
    assert!(collector.received().iter().any(|received| received.target == "/v1/traces"));
}

#[test]
fn a_wrong_start_names_the_place_of_each_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("freshet.yaml");
    std::fs::write(&file, YAML.replace("ttn_v3", "ttn_v2")).unwrap();
    let start = |variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ingest"))
            .env_clear()
            .env("FRESHET_PIPELINE", &file)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = start(&[("MAX_BODY_BYTES", "1")]);
    assert_eq!(code, Some(78));
    for part in ["freshet.yaml:5:", "MAX_BODY_BYTES: ", "K_SINK: is not set"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    std::fs::write(&file, YAML).unwrap();
    let (code, text) = start(&[("K_SINK", "http://127.0.0.1:9")]);
    assert_eq!(code, Some(78));
    assert!(text.contains("source query: environment variable SECRET is not set"), "{text}");
    let (code, text) = start(&[("K_SINK", "http://127.0.0.1:9"), ("SECRET", "short")]);
    assert_eq!(code, Some(78));
    let reason =
        "source query: the secret of environment variable SECRET has 5 bytes; it must have at least 8";
    assert!(text.contains(reason), "{text}");
}
